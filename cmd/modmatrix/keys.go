package main

import (
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// keyboard is what was done to the terminal that keys are read from, so that every end can undo it: there is one in a process.
var keyboard keysMode

// keysMode lets keys come one by one and unseen. Ctrl-C is a signal as ever, and lines are written as ever.
type keysMode struct {
	mu     sync.Mutex
	file   *os.File
	before unix.Termios
	on     bool
}

// take begins. It is false where file is no terminal, or not the program's own: another program has the foreground.
func (k *keysMode) take(file *os.File) bool {
	fd := int(file.Fd())
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return false
	}
	if group, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP); err != nil || group != unix.Getpgrp() {
		return false
	}
	k.mu.Lock()
	k.file, k.before = file, *before
	k.mu.Unlock()
	return k.set()
}

func (k *keysMode) set() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	mode := k.before
	mode.Lflag &^= unix.ICANON | unix.ECHO
	mode.Cc[unix.VMIN], mode.Cc[unix.VTIME] = 1, 0
	k.on = unix.IoctlSetTermios(int(k.file.Fd()), unix.TCSETS, &mode) == nil
	return k.on
}

// restore leaves the terminal as it was. It may be called again, and where nothing was begun.
func (k *keysMode) restore() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.on {
		_ = unix.IoctlSetTermios(int(k.file.Fd()), unix.TCSETS, &k.before)
		k.on = false
	}
}

// keys reads keys until close. Between pause and resume another program may have them.
type keys struct {
	file    *os.File
	pressed chan byte
	wake    [2]int // a pipe: what is written there ends the reading
	reading sync.Mutex
	stop    func()
}

// readKeys reads what is typed on file; nil where file is no terminal, or another program has it. stopped and resumed are called around Ctrl-Z.
func readKeys(file *os.File, stopped, resumed func()) *keys {
	if !keyboard.take(file) {
		return nil
	}
	k := &keys{file: file, pressed: make(chan byte)}
	if unix.Pipe2(k.wake[:], unix.O_CLOEXEC) != nil {
		keyboard.restore()
		return nil
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go k.read(done, ended)
	end := stops(stopped, resumed)
	k.stop = sync.OnceFunc(func() {
		end()
		close(done)
		_, _ = unix.Write(k.wake[1], []byte{0})
		<-ended
		_ = unix.Close(k.wake[0])
		_ = unix.Close(k.wake[1])
		keyboard.restore()
	})
	return k
}

func (k *keys) read(done <-chan struct{}, ended chan<- struct{}) {
	defer close(ended)
	fds := []unix.PollFd{{Fd: int32(k.file.Fd()), Events: unix.POLLIN}, {Fd: int32(k.wake[0]), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(fds, -1); err != nil && err != unix.EINTR {
			return
		}
		select {
		case <-done:
			return
		default:
		}
		b, n := make([]byte, 1), 0
		k.reading.Lock()
		if ready, err := unix.Poll(fds[:1], 0); err == nil && ready > 0 { // the pager may have had it
			if n, err = unix.Read(int(k.file.Fd()), b); err != nil && err != unix.EINTR || err == nil && n == 0 {
				k.reading.Unlock()
				return // the terminal has gone
			}
		}
		k.reading.Unlock()
		if n == 0 {
			continue
		}
		select {
		case k.pressed <- b[0]:
		case <-done:
			return
		}
	}
}

// pause gives the terminal to another program, as it was.
func (k *keys) pause() { k.reading.Lock(); keyboard.restore() }

func (k *keys) resume() { keyboard.set(); k.reading.Unlock() }

// stops gives the terminal back while Ctrl-Z has us stopped, until the function that it returns is called.
func stops(stopped, resumed func()) func() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTSTP)
	go func() {
		for range signals {
			stopped()
			keyboard.restore()
			_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP) // returns when somebody lets us go on
			keyboard.set()
			resumed()
		}
	}()
	return func() { signal.Stop(signals); close(signals) }
}

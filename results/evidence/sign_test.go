package evidence

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// newKey writes a private key in OpenSSH's form, and its .pub, and returns the path of the first.
func newKey(t testing.TB, comment, passphrase string) string {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, comment)
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(private, comment, []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "key")
	line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))) + " " + comment + "\n"
	if err := errors.Join(os.WriteFile(path, pem.EncodeToMemory(block), 0o600), os.WriteFile(path+".pub", []byte(line), 0o644)); err != nil {
		t.Fatal(err)
	}
	return path
}

func noPassphrase(string) ([]byte, error) { return nil, errors.New("asked for a passphrase") }

func opened(t *testing.T, which string) *Signer {
	t.Helper()
	s, err := OpenSigner(which, noPassphrase)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// runAgent is an SSH agent with the keys at paths.
func runAgent(t *testing.T, paths ...string) {
	t.Helper()
	ring := agent.NewKeyring()
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		key, err := ssh.ParseRawPrivateKey(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := ring.Add(agent.AddedKey{PrivateKey: key, Comment: filepath.Base(filepath.Dir(path))}); err != nil {
			t.Fatal(err)
		}
	}
	dir, err := os.MkdirTemp("", "agent") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _ = agent.ServeAgent(ring, conn); conn.Close() }()
		}
	}()
	t.Setenv("SSH_AUTH_SOCK", filepath.Join(dir, "s"))
}

// A key comes from a file, with its passphrase, or from an agent by each of its names.
func TestOpenSigner(t *testing.T) {
	one, two, locked := newKey(t, "one", ""), newKey(t, "two", ""), newKey(t, "locked", "sesame")
	runAgent(t, one, two)
	finger := func(path string) string {
		text, err := os.ReadFile(path + ".pub")
		if err != nil {
			t.Fatal(err)
		}
		key, _, _, _, err := ssh.ParseAuthorizedKey(text)
		if err != nil {
			t.Fatal(err)
		}
		return ssh.FingerprintSHA256(key)
	}
	for which, want := range map[string]string{one: finger(one), two + ".pub": finger(two), "agent:" + finger(one): finger(one), "agent:" + filepath.Base(filepath.Dir(two)): finger(two)} {
		if s := opened(t, which); s.Key() != want {
			t.Errorf("%s: got %s", which, s.Key())
		}
	}
	s, err := OpenSigner(locked, func(prompt string) ([]byte, error) {
		if !strings.Contains(prompt, locked) {
			t.Errorf("asked %q", prompt)
		}
		return []byte("sesame"), nil
	})
	if err != nil || s.Key() != finger(locked) {
		t.Error(err)
	}
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("no key"), 0o644); err != nil {
		t.Fatal(err)
	}
	for which, want := range map[string]string{"agent": "2 keys that fit", "agent:nobody": "no key nobody", locked + ".pub": "has no key SHA256:", "/nowhere": "no such file",
		text: "no SSH key", locked: "asked for a passphrase", t.TempDir(): "no file of a key"} {
		if _, err := OpenSigner(which, noPassphrase); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want %s", which, err, want)
		}
	}
	if _, err := OpenSigner(locked, func(string) ([]byte, error) { return []byte("wrong"), nil }); err == nil || !strings.Contains(err.Error(), "the passphrase is wrong") {
		t.Error(err)
	}
	t.Setenv("SSH_AUTH_SOCK", "")
	if _, err := OpenSigner("agent", noPassphrase); err == nil || !strings.Contains(err.Error(), "no SSH agent is running") {
		t.Error(err)
	}
}

// An agent that waits for its user does not hold back whoever interrupts us.
func TestSigningIsInterrupted(t *testing.T) {
	here, there := net.Pipe()
	defer there.Close()
	key, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := ssh.NewPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	s := &Signer{slow{public, cancel, here}, here}
	if _, err := (dsseSigner{s}).Sign(ctx, []byte("x")); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// slow is a key whose agent answers nothing.
type slow struct {
	public ssh.PublicKey
	begun  func()
	conn   net.Conn
}

func (s slow) PublicKey() ssh.PublicKey { return s.public }

func (s slow) Sign(_ io.Reader, _ []byte) (*ssh.Signature, error) {
	s.begun()
	_, err := s.conn.Read(make([]byte, 1))
	return nil, err
}

// OpenSSH alone verifies what was signed: with tar and ssh-keygen, and the list of signers as it stands.
func TestSSHKeygenVerifies(t *testing.T) {
	keygen, err := exec.LookPath("ssh-keygen")
	if err != nil {
		t.Fatal("openssh-client is missing: make setup-test installs it")
	}
	dir := t.TempDir()
	key := newKey(t, "alice", "")
	path := written(t, sample(t), opened(t, key), Tester{"Alice Liddell", "alice@example.org"})
	unpackAll(t, path, dir)
	signers := signersFile(t, "alice@example.org namespaces=\""+Namespace+"\"", key)
	check := func(namespace, principal string, data []byte) error {
		cmd := exec.Command(keygen, "-Y", "verify", "-f", signers, "-I", principal, "-n", namespace, "-s", filepath.Join(dir, SignatureName))
		cmd.Stdin = strings.NewReader(string(data))
		out, err := cmd.CombinedOutput()
		t.Logf("ssh-keygen: %s", out)
		return err
	}
	data, err := os.ReadFile(filepath.Join(dir, SignedName))
	if err != nil {
		t.Fatal(err)
	}
	if err := check(Namespace, "alice@example.org", data); err != nil {
		t.Error(err)
	}
	for what, err := range map[string]error{"another namespace": check("file", "alice@example.org", data), "another person": check(Namespace, "bob@example.org", data),
		"a changed byte": check(Namespace, "alice@example.org", append([]byte("x"), data[1:]...))} {
		if err == nil {
			t.Errorf("%s was good", what)
		}
	}
}

// What ssh-keygen signed is as good as what we sign.
func TestSSHKeygenSigns(t *testing.T) {
	key := newKey(t, "alice", "")
	path := written(t, sample(t), opened(t, key), Tester{})
	files := contentsOf(t, path)
	dir := t.TempDir()
	signed := filepath.Join(dir, "x")
	if err := os.WriteFile(signed, files[SignedName], 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("ssh-keygen", "-Y", "sign", "-f", key, "-n", Namespace, signed).CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	theirs, err := os.ReadFile(signed + ".sig")
	if err != nil {
		t.Fatal(err)
	}
	is, err := sshsig.Unarmor(files[SignatureName])
	want, err2 := sshsig.Unarmor(theirs)
	if err != nil || err2 != nil || !bytes.Equal(is.Marshal(), want.Marshal()) { // Ed25519 leaves nothing to chance
		t.Errorf("%v, %v: got\n%s\nwant\n%s", err, err2, files[SignatureName], theirs)
	}
}

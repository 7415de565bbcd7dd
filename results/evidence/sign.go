package evidence

import (
	"bytes"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"time"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// Namespace is what a signature of evidence is for; one that was made for anything else does not count.
const Namespace = "modmatrix-evidence@v1"

// Signer signs with one SSH key.
type Signer struct {
	key   ssh.Signer
	agent net.Conn // nil where the key came from a file
}

// maxKey bounds the file of a key, in bytes.
const maxKey = 64 << 10

// agentWait is how long the agent may take to list its keys.
const agentWait = 10 * time.Second

// OpenSigner opens the key that which names: the file of a private key, for whose passphrase ask is called where it has one; the file
// of a public key whose private half the SSH agent has; or "agent", "agent:COMMENT" or "agent:SHA256:FINGERPRINT" for one of the
// agent's. It must be closed.
func OpenSigner(which string, ask func(prompt string) ([]byte, error)) (*Signer, error) {
	s, err := openSigner(which, ask)
	if err != nil {
		return nil, fmt.Errorf("--sign %s: %w", which, err)
	}
	if err := checkKey(s.key.PublicKey()); err != nil {
		return nil, errors.Join(fmt.Errorf("--sign %s: %w", which, err), s.Close())
	}
	return s, nil
}

func openSigner(which string, ask func(prompt string) ([]byte, error)) (*Signer, error) {
	if kind, name, _ := strings.Cut(which, ":"); kind == "agent" {
		return fromAgent(func(k *agent.Key) bool {
			return name == "" || name == k.Comment || name == ssh.FingerprintSHA256(k)
		}, name)
	}
	text, err := readKey(which)
	if err != nil {
		return nil, err
	}
	if public, _, _, _, err := ssh.ParseAuthorizedKey(text); err == nil {
		return fromAgent(func(k *agent.Key) bool { return sameKey(k, public) }, ssh.FingerprintSHA256(public))
	}
	key, err := ssh.ParsePrivateKey(text)
	if _, locked := errors.AsType[*ssh.PassphraseMissingError](err); locked {
		passphrase, err := ask("passphrase of " + which + ": ")
		if err != nil {
			return nil, err
		}
		if key, err = ssh.ParsePrivateKeyWithPassphrase(text, passphrase); err != nil {
			return nil, errors.New("the passphrase is wrong")
		}
		return &Signer{key: key}, nil
	}
	if err != nil {
		return nil, errors.New("it is no SSH key that can be read here: give the private key, or its .pub file where an agent holds it")
	}
	return &Signer{key: key}, nil
}

func readKey(path string) ([]byte, error) {
	in, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("there is no such file: give a private SSH key, its .pub file, or agent")
	}
	if err != nil {
		return nil, err
	}
	defer in.Close()
	if info, err := in.Stat(); err != nil || !info.Mode().IsRegular() || info.Size() > maxKey {
		return nil, errors.New("it is no file of a key")
	}
	return io.ReadAll(io.LimitReader(in, maxKey))
}

// fromAgent takes the one key of the agent that fits.
func fromAgent(fits func(*agent.Key) bool, name string) (*Signer, error) {
	socket := os.Getenv("SSH_AUTH_SOCK")
	if socket == "" {
		return nil, errors.New("no SSH agent is running (SSH_AUTH_SOCK is not set): start one and ssh-add the key, or give the file of a private key")
	}
	conn, err := net.DialTimeout("unix", socket, agentWait)
	if err != nil {
		return nil, fmt.Errorf("the SSH agent does not answer: %w", err)
	}
	key, err := agentKey(conn, fits, name)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &Signer{key, conn}, nil
}

func agentKey(conn net.Conn, fits func(*agent.Key) bool, name string) (ssh.Signer, error) {
	if err := conn.SetDeadline(time.Now().Add(agentWait)); err != nil {
		return nil, err
	}
	client := agent.NewClient(conn)
	keys, err := client.List()
	if err != nil {
		return nil, fmt.Errorf("list keys of the SSH agent: %w", err)
	}
	var found []*agent.Key
	for _, k := range keys {
		if fits(k) {
			found = append(found, k)
		}
	}
	switch {
	case len(found) == 0 && name == "":
		return nil, errors.New("the SSH agent has no key: ssh-add one")
	case len(found) == 0:
		return nil, fmt.Errorf("the SSH agent has no key %s: ssh-add it; see ssh-add -l", name)
	case len(found) > 1:
		return nil, fmt.Errorf("the SSH agent has %d keys that fit: name one, as agent:%s; see ssh-add -l", len(found), ssh.FingerprintSHA256(found[0]))
	}
	signers, err := client.Signers()
	if err != nil {
		return nil, fmt.Errorf("list keys of the SSH agent: %w", err)
	}
	for _, s := range signers {
		if sameKey(s.PublicKey(), found[0]) {
			return s, conn.SetDeadline(time.Time{}) // a person may have to touch the key
		}
	}
	return nil, errors.New("the SSH agent lost the key")
}

func sameKey(a, b ssh.PublicKey) bool {
	return subtle.ConstantTimeCompare(a.Marshal(), b.Marshal()) == 1
}

// checkKey refuses keys that OpenSSH does not verify signatures with, or that stand for more than a person.
func checkKey(key ssh.PublicKey) error {
	switch {
	case strings.Contains(key.Type(), "-cert-"):
		return errors.New("it is a certificate, which this modmatrix does not take: sign with the key itself")
	case key.Type() == "ssh-dss":
		return errors.New("it is a key of DSA, which is broken: take one of Ed25519")
	}
	return nil
}

// Key is the fingerprint of the key, as ssh-keygen -l prints it.
func (s *Signer) Key() string { return ssh.FingerprintSHA256(s.key.PublicKey()) }

// Close ends the talk with the agent.
func (s *Signer) Close() error {
	if s == nil || s.agent == nil {
		return nil
	}
	return s.agent.Close()
}

// dsseSigner is s as an envelope wants it.
type dsseSigner struct{ *Signer }

// Sign signs the bytes that stand for an envelope. An agent may ask its user, who may as well interrupt us.
func (s dsseSigner) Sign(ctx context.Context, pae []byte) ([]byte, error) {
	if s.agent != nil {
		defer context.AfterFunc(ctx, func() { s.agent.Close() })()
	}
	sig, err := sshsig.Sign(bytes.NewReader(pae), s.key, sshsig.HashSHA512, Namespace)
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, fmt.Errorf("sign with %s: %w", s.Key(), err)
	}
	return sig.Marshal(), nil
}

// KeyID is the key's fingerprint.
func (s dsseSigner) KeyID() (string, error) { return s.Key(), nil }

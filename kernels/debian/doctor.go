package debian

import (
	"context"
	"errors"
	"os"
	"os/exec"
)

// Archives says where kernels would come from, or how to say it.
func (s *Source) Archives(ctx context.Context) (string, error) {
	a, err := s.archives(ctx)
	if err != nil {
		return "", err
	}
	if a.Security == "" {
		return a.Main + " (no security archive is known: older point releases only)", nil
	}
	return a.Main + ", " + a.Security, nil
}

// Bootstrap says whether roots can be made here, or what is missing.
func (s *Source) Bootstrap(context.Context) (string, error) {
	path, err := exec.LookPath("mmdebstrap")
	if err != nil {
		return "", errors.New("mmdebstrap is missing: apt install mmdebstrap")
	}
	if err := canUnshare(); err != nil {
		return "", err
	}
	keyring := s.cfg.Keyring
	if keyring == "" {
		keyring = defaultKeyring
	}
	if _, err := os.Stat(keyring); err != nil {
		return "", errors.New("the archive's keyring is missing: apt install debian-archive-keyring")
	}
	return path, nil
}

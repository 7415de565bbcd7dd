package main

import (
	"os/exec"
	"strings"
)

// goEnv asks go for one of its settings, for scripts whose HOME is another.
func goEnv(name string) string {
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

//go:build unix && !linux

package postgrestest

import "syscall"

// endWithParent is not to be had here: a killed test binary leaves its server behind.
func endWithParent(as *syscall.SysProcAttr) *syscall.SysProcAttr { return as }

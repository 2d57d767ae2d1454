package postgrestest

import "syscall"

// endWithParent has the kernel end the process when the test binary is no more: at once, as Crash does.
func endWithParent(as *syscall.SysProcAttr) *syscall.SysProcAttr {
	attr := syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}
	if as != nil {
		attr.Credential = as.Credential
	}
	return &attr
}

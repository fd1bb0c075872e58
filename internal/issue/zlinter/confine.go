package zlinter

import (
	"fmt"
	"runtime/debug"
	"syscall"
	"time"
)

const (
	// memoryBytes is what the collector keeps to; dataBytes is where the kernel ends it. The largest list takes 60 MB.
	memoryBytes = 192 << 20
	dataBytes   = 512 << 20
)

// Confine takes away from this process what reading needs no more: it may open no file and no connection, leave no core, and
// grow to half a gigabyte. A fault in a parser then costs a child. It is no sandbox: the user stays, and so do system calls
// that take no descriptor (unlink, kill, execve); before those stands that Go is safe in memory.
func Confine() error {
	debug.SetMemoryLimit(memoryBytes)
	time.AfterFunc(time.Hour, func() {}).Stop() // Go's runtime opens its poller with the first timer, and dies if it may not
	for resource, most := range map[int]uint64{syscall.RLIMIT_NOFILE: 0, syscall.RLIMIT_CORE: 0, syscall.RLIMIT_FSIZE: 0, syscall.RLIMIT_DATA: dataBytes} {
		if err := syscall.Setrlimit(resource, &syscall.Rlimit{Cur: most, Max: most}); err != nil {
			return fmt.Errorf("confining the process: %w", err)
		}
	}
	return nil
}

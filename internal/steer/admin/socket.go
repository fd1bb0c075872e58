package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"postseal/internal/ground/state"
	"postseal/internal/steer/desk"
)

// SocketName is the Unix socket's name in the data directory.
const SocketName = "postseal.sock"

// throughFD returns a short path to name in dir: a Unix socket's path is limited to 108 bytes, data
// directories are not. The folder must be closed after use.
func throughFD(dir, name string) (*os.File, string, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, "", err
	}
	return f, fmt.Sprintf("/proc/self/fd/%d/%s", f.Fd(), name), nil
}

func dialSocket(ctx context.Context, dir string) (net.Conn, error) {
	folder, path, err := throughFD(dir, SocketName)
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	d := net.Dialer{Timeout: dialTimeout}
	return d.DialContext(ctx, "unix", path)
}

// ListenSocket opens the management socket in dir. The caller holds the directory's lock, so a socket
// that is there is a dead server's.
func ListenSocket(dir string) (net.Listener, error) {
	folder, path, err := throughFD(dir, SocketName)
	if err != nil {
		return nil, fmt.Errorf("opening the management socket: %w", err)
	}
	defer folder.Close()
	real := filepath.Join(dir, SocketName)
	if err := os.Remove(real); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("opening the management socket: %w", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("opening the management socket %s: %w", real, err)
	}
	l.SetUnlinkOnClose(false) // the short path is gone by then; the next start removes it
	if err := os.Chmod(real, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("opening the management socket: %w", err), l.Close())
	}
	return l, nil
}

type credentialKey struct{}

// ServeSocket serves the management API on l until ctx ends. Who connects is asked from the kernel:
// root and the user that we run as are let in.
func ServeSocket(ctx context.Context, l net.Listener, d *desk.Desk, log *slog.Logger) error {
	server := &http.Server{
		Handler:           API(d, log, peer),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			cred, err := credentials(c)
			if err != nil {
				return ctx
			}
			return context.WithValue(ctx, credentialKey{}, cred)
		},
	}
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		if server.Shutdown(limit) == nil {
			stopped <- nil
			return
		}
		stopped <- server.Close() // somebody keeps a request open without end: he is cut off
	})
	err := server.Serve(l)
	if stop() {
		return fmt.Errorf("serving the management socket: %w", err)
	}
	return <-stopped
}

// credentials asks the kernel who is at the other end.
func credentials(c net.Conn) (*syscall.Ucred, error) {
	unix, ok := c.(*net.UnixConn)
	if !ok {
		return nil, errors.New("not a Unix socket")
	}
	raw, err := unix.SyscallConn()
	if err != nil {
		return nil, err
	}
	var cred *syscall.Ucred
	var failed error
	if err := raw.Control(func(fd uintptr) {
		cred, failed = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}); err != nil {
		return nil, err
	}
	return cred, failed
}

// peer says who is at the other end of the socket, and refuses strangers.
func peer(r *http.Request) (state.Actor, error) {
	cred, ok := r.Context().Value(credentialKey{}).(*syscall.Ucred)
	if !ok {
		return state.Actor{}, errors.New("the kernel does not say who is asking")
	}
	if cred.Uid != 0 && int(cred.Uid) != os.Geteuid() {
		return state.Actor{}, fmt.Errorf("uid %d is neither root nor our own", cred.Uid)
	}
	return state.Actor{Who: UserName(int(cred.Uid)), From: fmt.Sprintf("socket, process %d", cred.Pid)}, nil
}

// UserName names a user for the audit trail.
func UserName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return "uid " + strconv.Itoa(uid)
}

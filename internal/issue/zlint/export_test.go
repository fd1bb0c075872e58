package zlint

// PID is that of the child.
func (r *Reader) PID() int { return r.child.cmd.Process.Pid }

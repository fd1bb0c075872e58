package front

// buffer holds what a client sent and nobody has read yet. It grows only as lines ask for it, and never
// leaves a byte behind where it had it: passwords pass through here.
type buffer struct {
	buf  []byte
	r, w int // unread is buf[r:w]
}

func (b *buffer) len() int      { return b.w - b.r }
func (b *buffer) bytes() []byte { return b.buf[b.r:b.w] }
func (b *buffer) added(n int)   { b.w += n }

func (b *buffer) discard(n int) {
	b.r += min(n, b.len())
}

// space returns room for at least one more byte; the buffer holds at most most bytes, or the unread ones
// and one more. What was returned by bytes before is no longer valid.
func (b *buffer) space(most int) []byte {
	unread := b.len()
	size := max(len(b.buf), 1<<10)
	for size <= unread {
		size *= 2
	}
	// A data phase fills whatever it is given: then give more.
	if unread == 0 && b.w == len(b.buf) && len(b.buf) > 0 {
		size *= 2
	}
	size = max(min(size, most), unread+1, len(b.buf))
	old := b.buf
	if size > len(old) {
		b.buf = make([]byte, size)
	}
	copy(b.buf, old[b.r:b.w])
	if size > len(old) {
		clear(old)
	} else {
		clear(old[unread:])
	}
	b.r, b.w = 0, unread
	return b.buf[b.w:]
}

// wipe forgets everything and lets the memory go.
func (b *buffer) wipe() {
	clear(b.buf)
	*b = buffer{}
}

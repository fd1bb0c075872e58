package relay

import "io"

// chunks is a window over fixed input, cut as sizes say; when they run out, whole.
type chunks struct {
	input []byte
	sizes []byte
	ready int // octets at the beginning of input that have "come"
	taken int // octets discarded
}

func (c *chunks) Peek() ([]byte, error) {
	if c.ready == 0 {
		if len(c.input) == 0 {
			return nil, io.EOF
		}
		c.ready = len(c.input)
		if len(c.sizes) > 0 {
			c.ready = min(c.ready, 1+int(c.sizes[0]))
			c.sizes = c.sizes[1:]
		}
	}
	return c.input[:c.ready:c.ready], nil
}

func (c *chunks) Discard(n int) {
	c.input = c.input[n:]
	c.ready -= n
	c.taken += n
}

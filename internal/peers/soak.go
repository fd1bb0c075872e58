package peers

import "os"

// Scale is how often a test repeats what it repeats: small in `make test`, large in `make soak`, which sets
// POSTSEAL_SOAK=1. It is the same test both times, so the long form cannot rot.
func Scale(small, large int) int {
	if os.Getenv("POSTSEAL_SOAK") != "" {
		return large
	}
	return small
}

//go:build !pkcs11

package hsm

import "postseal/internal/ground/keys"

// open cannot: this program was built without the tag.
func open(Options, keys.Secret) (driver, error) { return nil, ErrNotBuilt }

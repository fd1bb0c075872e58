//go:build pkcs11

package main

import (
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"postseal/internal/peers"
)

// TestSecurityModule runs testdata/pkcs11/*.txtar with SoftHSM. Only a program that was built with the tag pkcs11 can do
// what they do: make pkcs11.
func TestSecurityModule(t *testing.T) {
	peers.Need(t, "softhsm2-util")
	testscript.Run(t, scripts(t, filepath.Join("testdata", "pkcs11")))
}

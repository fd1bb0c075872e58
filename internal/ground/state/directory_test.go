package state

import (
	"errors"
	"os"
	"testing"
)

func TestADirectoryThatOthersMayWriteToIsRefused(t *testing.T) {
	t.Parallel()
	for _, mode := range []os.FileMode{0o770, 0o702, 0o777} {
		dir := t.TempDir()
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), Options{Dir: dir, Create: true}); !errors.Is(err, ErrDirectory) {
			t.Errorf("mode %04o: got %v, want ErrDirectory", mode, err)
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
			t.Errorf("mode %04o: left %v, %v", mode, entries, err)
		}
	}
}

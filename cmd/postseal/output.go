package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"postseal/internal/ground/durable"
)

// outputFlags say where a file goes.
type outputFlags struct {
	out   string
	force bool
}

func (o *outputFlags) flags(f *pflag.FlagSet) {
	f.StringVar(&o.out, "out", "", "`FILE` to write; - is standard output")
	f.BoolVar(&o.force, "force", false, "replace an existing file")
}

// check refuses an existing file before anything is made; write refuses it again. Standard output is one document, so the
// file and JSON cannot both go there.
func (o *outputFlags) check(a *app) error {
	switch {
	case o.out == "-" && a.json:
		return &usageError{errors.New("--json and a file to standard output exclude each other")}
	case o.out == "" || o.out == "-":
		return nil
	}
	if info, err := os.Stat(filepath.Dir(o.out)); err != nil {
		return fmt.Errorf("writing %s: %w", o.out, err)
	} else if !info.IsDir() {
		return fmt.Errorf("writing %s: %s is not a directory", o.out, filepath.Dir(o.out))
	}
	if o.force {
		return nil
	}
	if _, err := os.Lstat(o.out); err == nil {
		return fmt.Errorf("writing %s: %w", o.out, errFileExists)
	}
	return nil
}

// errFileExists: files are not replaced unless asked to.
var errFileExists = errors.New("the file exists")

// write writes data whole or not at all. secret files are for their owner only.
func (o *outputFlags) write(a *app, data []byte, secret bool) error {
	if o.out == "-" || o.out == "" {
		if _, err := a.out.Write(data); err != nil {
			return fmt.Errorf("writing to standard output: %w", err)
		}
		return nil
	}
	mode := os.FileMode(0o644)
	if secret {
		mode = 0o600
	}
	write := durable.Create
	if o.force {
		write = durable.WriteFile
	}
	err := write(o.out, data, mode)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("writing %s: %w", o.out, errFileExists)
	}
	return err
}

package main

import (
	"path/filepath"

	"github.com/spf13/cobra"

	"postseal/internal/ground/config"
	"postseal/internal/ground/hsm"
	"postseal/internal/steer/admin"
	"postseal/internal/steer/desk"
)

func (a *app) caModuleCommand() *cobra.Command {
	return &cobra.Command{
		Use: "module", Short: "List the keys in the security module, and whose they are", Args: noArgs,
		Long: "Open the security module that the configuration names (postseal help config, security-module), and list the keys in its token. A key of no authority is another program's, or was left by\n" +
			"an act that was cut short: the audit trail names it. Keys are made there with: postseal ca init --security-module all. Only a program built with make pkcs11 can.",
		Example: "  postseal ca module",
		RunE: func(cmd *cobra.Command, _ []string) error {
			v, err := call[desk.ModuleView](cmd.Context(), a, "ca/module", admin.Nothing{})
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(v)
			}
			t := a.table("KEY", "KIND", "AUTHORITY", "NAME", "SHA-256 OF THE PUBLIC KEY")
			for _, k := range v.Keys {
				owner := k.Authority
				if owner == "" {
					owner = "-"
				}
				t.row(visible(k.ID), k.Kind, owner, visible(k.Label), k.Public)
			}
			return t.end()
		},
	}
}

// securityModule is the one that the configuration names, nil for none. It is not opened. A relative path is relative to
// the configuration's file.
func (a *app) securityModule(m config.SecurityModule) (*hsm.Module, error) {
	if m.Library == "" {
		return nil, nil
	}
	if m.PINFile != "" && !filepath.IsAbs(m.PINFile) {
		m.PINFile = filepath.Join(filepath.Dir(a.config), m.PINFile)
	}
	module, err := hsm.New(hsm.Options{Library: m.Library, Token: m.Token, PINFile: m.PINFile})
	if err != nil {
		return nil, &config.FileError{Path: a.config, Err: err}
	}
	return module, nil
}

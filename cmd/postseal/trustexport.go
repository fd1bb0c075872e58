package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"postseal/internal/keep/trustfile"
	"postseal/internal/steer/desk"
)

func (a *app) trustExportCommand() *cobra.Command {
	var r desk.TrustFileRequest
	var out outputFlags
	var platform string
	c := &cobra.Command{
		Use: "export", Short: "Write what is trusted for another system to install", Args: noArgs,
		Long: "Write what the organisation trusts (trust add) into the file that another system installs, and say how. --lineage adds self-signed certificates of ours.\n" +
			"The same certificates make the same file. Compare the fingerprints that are printed at the other end: whoever exchanges the file on its way decides whom it trusts.\n\n" +
			"  pem          a bundle for any program\n" +
			"  windows-gpo  a PowerShell script: a group policy, Active Directory, or one computer\n" +
			"  apple        a configuration profile (.mobileconfig)\n" +
			"  android      a .crt in DER; a ZIP of them when there are several\n" +
			"  debian       a package (.deb)\n" +
			"  rhel         a shell script around update-ca-trust\n" +
			"  java         a key store (JKS, password changeit)\n" +
			"  firefox      policies.json; with --out FILE.zip also the certificates that it names\n" +
			"  postfix      a bundle with the lines for main.cf",
		Example: "  postseal trust export --for debian --out ca-example.deb",
	}
	f := c.Flags()
	f.StringVar(&platform, "for", "", "`PLATFORM`: "+strings.Join(platformWords(), ", "))
	f.StringArrayVar(&r.Lineages, "lineage", nil, "`ID` of a self-signed certificate of ours that is to be trusted too; repeatable")
	out.flags(f)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		r.For = trustfile.Platform(platform)
		switch {
		case platform == "":
			return &usageError{errors.New("--for is missing")}
		case !slices.Contains(trustfile.Platforms(), r.For):
			return &trustfile.UnknownPlatformError{Word: platform}
		case out.out == "":
			return &usageError{errors.New("--out is missing; - is standard output")}
		}
		if err := out.check(a); err != nil {
			return err
		}
		r.Archive = strings.HasSuffix(strings.ToLower(out.out), ".zip")
		file, err := call[desk.TrustFile](cmd.Context(), a, "trust/export", r)
		if err != nil {
			return err
		}
		a.printWarnings(file.Warnings)
		if a.dryRun {
			fmt.Fprintf(a.err, "postseal: would write %s\n", out.out)
		} else if err := out.write(a, file.Data, false); err != nil {
			return err
		}
		for _, line := range file.Fingerprints {
			fmt.Fprintf(a.err, "postseal: trusts: %s\n", line)
		}
		if out.out != "-" { // they name the file as the server would; here it lies under another name
			for i, line := range file.Install {
				file.Install[i] = strings.ReplaceAll(line, file.Name, filepath.Base(out.out))
			}
		}
		for _, line := range file.Install {
			fmt.Fprintf(a.err, "postseal: install: %s\n", line)
		}
		if !a.json {
			return nil
		}
		return a.printJSON(map[string]any{"file": out.out, "for": r.For, "name": file.Name, "install": file.Install, "fingerprints": file.Fingerprints})
	}
	return c
}

func platformWords() (words []string) {
	for _, p := range trustfile.Platforms() {
		words = append(words, string(p))
	}
	return words
}

// Command backup measures what a backup costs: how long `postseal backup create` takes for a large organisation, and
// how long `backup verify` with the recovery key takes on what came out.
//
// It makes an organisation with -certificates certificates in a temporary directory, by writing them into the state the
// way `cert new` does, without asking for a certificate each. Then it runs the built binary from outside, -runs times,
// and reads the time of the processor from the kernel's account of the ended process.
//
//	go run ./bench/backup -binary bin/postseal
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"postseal/internal/ground/keys"
	"postseal/internal/ground/state"
	"postseal/internal/ground/x509cert"
	"postseal/internal/issue/selfsigned"
	"postseal/internal/steer/desk"
)

func main() {
	b := bench{}
	flag.StringVar(&b.binary, "binary", "bin/postseal", "the program to measure")
	flag.IntVar(&b.runs, "runs", 5, "measurements for each number; the median counts")
	flag.IntVar(&b.certificates, "certificates", 10_000, "certificates in the organisation")
	flag.Parse()
	if err := b.all(context.Background(), os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "backup: error: %v\n", err)
		os.Exit(1)
	}
}

type bench struct {
	binary             string
	runs, certificates int
	dir                string
}

func (b *bench) all(ctx context.Context, w io.Writer) (err error) {
	if b.dir, err = os.MkdirTemp("", "postseal-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if err := b.fill(ctx); err != nil {
		return err
	}
	key, file := filepath.Join(b.dir, "key"), filepath.Join(b.dir, "backup.age")
	if _, _, err := b.run(ctx, "recovery", "init", "--out", key); err != nil {
		return err
	}
	var create, createCPU, verify, verifyCPU []float64
	for range b.runs {
		wall, cpu, err := b.run(ctx, "backup", "create", file, "--force")
		if err != nil {
			return err
		}
		create, createCPU = append(create, wall), append(createCPU, cpu)
		if wall, cpu, err = b.run(ctx, "backup", "verify", file, "--key", key); err != nil {
			return err
		}
		verify, verifyCPU = append(verify, wall), append(verifyCPU, cpu)
	}
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%-44s %9s %9s %9s\n", fmt.Sprintf("median of %d, %d certificates, %d MiB", b.runs, b.certificates, info.Size()>>20), "median", "lowest", "highest")
	report(w, "backup create, s", create)
	report(w, "backup create, CPU s", createCPU)
	report(w, "backup verify with the recovery key, s", verify)
	report(w, "backup verify with the recovery key, CPU s", verifyCPU)
	return nil
}

// fill makes the organisation.
func (b *bench) fill(ctx context.Context) (err error) {
	data := filepath.Join(b.dir, "data")
	db, err := state.Open(ctx, state.Options{Dir: data, Create: true})
	if err != nil {
		return err
	}
	defer db.Close()
	who := state.Actor{Who: "bench", From: "command"}
	sealing := filepath.Join(data, "sealing-key")
	if err := desk.Setup(ctx, db, desk.SetupOptions{Domains: []string{"example.com"}, Host: "mail1.example.com", Sealing: sealing}, who); err != nil {
		return err
	}
	file, err := keys.ReadSealingFile(sealing)
	if err != nil {
		return err
	}
	_, err = db.Update(ctx, who, func(tx *state.Tx) error {
		tx.ActFor(file.Server)
		for i := range b.certificates {
			if err := add(tx, file, i); err != nil {
				return err
			}
		}
		return tx.Audit("bench", "", nil, nil)
	})
	return err
}

// add stores one self-signed certificate with its sealed key.
func add(tx *state.Tx, file *keys.SealingFile, i int) error {
	key, err := keys.Generate(keys.ECDSAP256)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("host%d.example.com", i)
	der, err := selfsigned.Create(selfsigned.Options{CommonName: name, Names: []string{name}, Days: 90}, key)
	if err != nil {
		return err
	}
	id := fmt.Sprintf("bench-%d", i)
	sealed, err := keys.Seal(keys.Object{Kind: state.SecretMemberKey, ID: id}, key.PKCS8(), map[string][]byte{file.Server: file.Key.Public()})
	if err != nil {
		return err
	}
	if err := tx.AddSecret(state.Secret{ID: id, Kind: state.SecretMemberKey, Ciphertext: sealed.Ciphertext, Wrapped: sealed.Wrapped}); err != nil {
		return err
	}
	return tx.AddLineage(state.Lineage{ID: id, Name: id, FriendlyName: name, Origin: state.OriginNew, Activation: desk.ActivationAuto, KeyAtRenewal: desk.KeyNew,
		Generations: []state.Generation{{ID: id, Number: 1, State: state.StateCurrent, Members: []state.Member{
			{Algorithm: keys.ECDSAP256.Algorithm(), Thumbprint: x509cert.Thumbprint(der), Certificate: der, SecretID: id}}}}})
}

// run runs one command to its end and returns its time in seconds: on the clock, and of the processor.
func (b *bench) run(ctx context.Context, args ...string) (wall, cpu float64, err error) {
	cmd := exec.CommandContext(ctx, b.binary, append(args, "--data", filepath.Join(b.dir, "data"))...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	began := time.Now()
	if err := cmd.Run(); err != nil {
		return 0, 0, fmt.Errorf("running %s: %w:\n%s", args, err, &out)
	}
	wall = time.Since(began).Seconds()
	return wall, (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), nil
}

func report(w io.Writer, what string, values []float64) {
	slices.Sort(values)
	fmt.Fprintf(w, "%-44s %9.2f %9.2f %9.2f\n", what, values[len(values)/2], values[0], values[len(values)-1])
}

package state

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// TestSQLite runs the conformance suite on the embedded database.
func TestSQLite(t *testing.T) {
	t.Parallel()
	conformance(t, func(t *testing.T) *DB { return openIn(t, t.TempDir()) })
}

// conformance is what every database below this package must do. open gives an empty state of its own to
// each test. Blobs are compared without telling empty from absent: SQLite reads an empty one back as nil.
func conformance(t *testing.T, open func(t *testing.T) *DB) {
	for name, test := range map[string]func(*testing.T, *DB){
		"an organisation is read as it was stored":                         organisationRoundTrip,
		"there is at most one organisation":                                oneOrganisation,
		"servers and listeners are read as they were stored":               serverRoundTrip,
		"what is not there is not changed":                                 notThere,
		"a lineage is read with its generations and members":               lineageRoundTrip,
		"lineages come in the order of their bytes":                        lineageOrder,
		"a lineage keeps its rules":                                        lineageRules,
		"a listener has one default and a lineage one role at a listener":  bindings,
		"removing a generation removes its keys, and the last the lineage": removal,
		"a key used twice outlives one use":                                sharedKey,
		"a secret is read by its recipients only":                          secretRoundTrip,
		"an empty secret is a secret":                                      emptySecret,
		"sign-ins end at their time and are forgotten":                     signIns,
		"audit rows are numbered without gaps for each server":             auditNumbers,
		"a look cannot change anything":                                    viewIsReadOnly,
		"large values come back whole":                                     largeValues,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

// same compares two values; empty is equal to absent.
func same[T any](t *testing.T, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.AddrPort{})); diff != "" {
		t.Errorf("got %+v, want %+v:\n%s", got, want, diff)
	}
}

func organisationRoundTrip(t *testing.T, db *DB) {
	view(t, db, func(tx *Tx) error {
		if _, err := tx.Organisation(); !errors.Is(err, ErrNoOrganisation) {
			t.Errorf("before setup: got %v, want %v", err, ErrNoOrganisation)
		}
		return nil
	})
	want := Organisation{ID: "o", Name: "Beispiel & Söhne 예시", Trial: true, Domains: []string{"z.example", "a.example", "xn--bcher-kva.example"},
		PublicKey: []byte{0, 1, 0xff}, SecretID: "secret", AuthLineage: "auth"}
	update(t, db, func(tx *Tx) error {
		want.CreatedAt = tx.Now()
		return tx.AddOrganisation(want)
	})
	view(t, db, func(tx *Tx) error {
		got, err := tx.Organisation()
		same(t, got, want)
		return err
	})
}

func oneOrganisation(t *testing.T, db *DB) {
	update(t, db, func(tx *Tx) error {
		return tx.AddOrganisation(Organisation{ID: "o", Name: "first", Domains: []string{"a.example"}, PublicKey: []byte{1}, SecretID: "s"})
	})
	err := refused(t, db, func(tx *Tx) error {
		return tx.AddOrganisation(Organisation{ID: "p", Name: "second", Domains: []string{"b.example"}, PublicKey: []byte{1}, SecretID: "s"})
	})
	if want := "storing organisation second: first is here already"; err.Error() != want {
		t.Errorf("got %v, want %v", err, want)
	}
	view(t, db, func(tx *Tx) error {
		o, err := tx.Organisation()
		same(t, o.Domains, []string{"a.example"})
		same(t, o.AuthLineage, "")
		return err
	})
}

func serverRoundTrip(t *testing.T, db *DB) {
	servers := []Server{
		{ID: "2", Name: "mail.example.com", Role: "mailbox", Mode: "front", SealingPublicKey: []byte{2}, InternalLineage: "l"},
		{ID: "1", Name: "edge.example.com", Role: "edge", Mode: "beside", SealingPublicKey: []byte{}},
	}
	listeners := []Listener{
		{Name: "imap", Address: netip.MustParseAddrPort("[::]:143"), Enabled: true},
		{Name: "management", Address: netip.MustParseAddrPort("127.0.0.1:65535")},
		{Name: "smtp", Address: netip.MustParseAddrPort("[fe80::1%eth0]:25"), Enabled: true},
	}
	for i := range servers { // each in its own transaction: the older comes first
		update(t, db, func(tx *Tx) error {
			servers[i].AddedAt = tx.Now()
			return tx.AddServer(servers[i])
		})
	}
	update(t, db, func(tx *Tx) error {
		for _, l := range listeners {
			if err := tx.AddListener("2", l); err != nil {
				return err
			}
		}
		return nil
	})
	update(t, db, func(tx *Tx) error {
		servers[1].InternalLineage, listeners[1].Enabled = "m", true
		return errors.Join(tx.SetInternal("1", "m"), tx.SetListenerEnabled("2", "management", true))
	})
	view(t, db, func(tx *Tx) error {
		got, err := tx.Servers()
		if err != nil {
			return err
		}
		same(t, got, servers)
		ports, err := tx.Listeners("2")
		same(t, ports, listeners)
		none, err2 := tx.Listeners("1")
		same(t, none, nil)
		return errors.Join(err, err2)
	})
	if err := refused(t, db, func(tx *Tx) error { return server(tx, "1") }); !strings.HasPrefix(err.Error(), "storing server 1.example.com: ") {
		t.Errorf("the same id twice: got %v", err)
	}
	refused(t, db, func(tx *Tx) error {
		return tx.AddServer(Server{ID: "3", Name: "mail.example.com", SealingPublicKey: []byte{1}}) // the same name
	})
	refused(t, db, func(tx *Tx) error { return tx.AddListener("nobody", listeners[0]) })
	refused(t, db, func(tx *Tx) error { return tx.AddListener("2", listeners[0]) })
}

func notThere(t *testing.T, db *DB) {
	for name, f := range map[string]func(*Tx) error{
		"internal lineage": func(tx *Tx) error { return tx.SetInternal("nobody", "l") },
		"listener":         func(tx *Tx) error { return tx.SetListenerEnabled(serverID, "imap", true) },
		"generation":       func(tx *Tx) error { return tx.RemoveGeneration(lineage("l"), Generation{ID: "g"}) },
		"secret":           func(tx *Tx) error { _, err := tx.Secret("s", serverID); return err },
		"sign-in":          func(tx *Tx) error { _, err := tx.SignIn("hash", SignInLink); return err },
	} {
		if err := refused(t, db, f); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: got %v, want %v", name, err, ErrNotFound)
		}
	}
}

func lineageRoundTrip(t *testing.T, db *DB) {
	want := lineage("l", "retired", "previous", "current", "next")
	want.Exportable, want.Activation, want.KeyAtRenewal, want.ServerID = true, "approve", "keep", ""
	newest := &want.Generations[0]
	newest.Members = newest.Members[1:] // RSA alone
	newest.Members[0].Chain = []byte("issuer")
	newest.Members[0].SecretID = "" // the key is elsewhere
	want.Generations[1].Members[0].Chain = []byte{}
	update(t, db, func(tx *Tx) error {
		want.CreatedAt = tx.Now()
		for i := range want.Generations {
			want.Generations[i].CreatedAt = tx.Now()
		}
		want.Generations[1].ActivatedAt = tx.Now() // the current one
		return addLineage(tx, want)
	})
	bare := lineage("bare", "pending")
	bare.Generations[0].Members = []Member{{Algorithm: "Ed25519", Thumbprint: "request"}} // no certificate yet
	update(t, db, func(tx *Tx) error {
		bare.CreatedAt = tx.Now()
		bare.Generations[0].CreatedAt = tx.Now()
		return addLineage(tx, bare)
	})
	view(t, db, func(tx *Tx) error {
		got, err := tx.Lineages()
		if err != nil {
			return err
		}
		same(t, got, []Lineage{bare, want})
		current, ok := got[1].Current()
		if !ok || current.ID != "l-g3" {
			t.Errorf("current: got %v %v, want l-g3", current.ID, ok)
		}
		if _, ok := got[0].Current(); ok {
			t.Error("a pending lineage has a current generation")
		}
		return nil
	})
}

func lineageOrder(t *testing.T, db *DB) {
	want := []string{"B", "a", "a-b", "a1", "ab", "é"} // bytes: no database collation orders these so by chance
	update(t, db, func(tx *Tx) error {
		for _, name := range []string{"ab", "é", "a-b", "B", "a1", "a"} {
			l := lineage(name, "current")
			l.Name = name
			if err := addLineage(tx, l); err != nil {
				return err
			}
		}
		return nil
	})
	view(t, db, func(tx *Tx) error {
		lineages, err := tx.Lineages()
		var got []string
		for _, l := range lineages {
			got = append(got, l.Name)
			if len(l.Generations) != 1 || !strings.HasPrefix(l.Generations[0].ID, l.ID+"-g") {
				t.Errorf("lineage %s has the generations %v, want its own", l.Name, l.Generations)
			}
		}
		same(t, got, want)
		return err
	})
}

func lineageRules(t *testing.T, db *DB) {
	update(t, db, func(tx *Tx) error { return addLineage(tx, lineage("l", "previous", "current")) })
	for name, change := range map[string]func(l *Lineage){
		"two current generations": func(l *Lineage) { *l = lineage("m", "current", "current") },
		"a name that is taken":    func(l *Lineage) { l.Name = "name-of-l" },
		"no member":               func(l *Lineage) { l.Generations[0].Members = nil },
		"three members": func(l *Lineage) {
			l.Generations[0].Members = append(l.Generations[0].Members, Member{Algorithm: "Ed25519", Thumbprint: "third"})
		},
		"two members of one algorithm":  func(l *Lineage) { l.Generations[0].Members[0].Algorithm = "RSA" },
		"a thumbprint that is taken":    func(l *Lineage) { l.Generations[0].Members[0].Thumbprint = "l-g1-RSA" },
		"a generation number twice":     func(l *Lineage) { *l = lineage("m", "next", "current"); l.Generations[0].Number = 1 },
		"a generation id that is taken": func(l *Lineage) { l.Generations[0].ID = "l-g1" },
	} {
		refused(t, db, func(tx *Tx) error {
			m := lineage("m", "current")
			change(&m)
			if err := addLineage(tx, m); err == nil {
				t.Errorf("%s was stored", name)
				return nil
			} else if !strings.HasPrefix(err.Error(), "storing ") {
				t.Errorf("%s: got %v, want it to say what was stored", name, err)
			}
			return errors.New("as expected")
		})
	}
	refused(t, db, func(tx *Tx) error { // a key that is not there
		return tx.AddLineage(lineage("m", "current"))
	})
	update(t, db, func(tx *Tx) error { return addLineage(tx, lineage("m", "retired", "retired", "current")) })
}

func bindings(t *testing.T, db *DB) {
	bind := func(listener, id, role string) {
		t.Helper()
		update(t, db, func(tx *Tx) error { return tx.Bind(serverID, Binding{listener, id, role}) })
	}
	want := func(want ...Binding) {
		t.Helper()
		view(t, db, func(tx *Tx) error {
			got, err := tx.Bindings(serverID)
			same(t, got, want)
			return err
		})
	}
	update(t, db, func(tx *Tx) error {
		err := server(tx, serverID, "imap", "smtp")
		for _, id := range []string{"a", "b", "c"} {
			err = errors.Join(err, addLineage(tx, lineage(id, "current")))
		}
		return errors.Join(err, server(tx, "server-2", "imap"), tx.Bind("server-2", Binding{"imap", "a", RoleDefault}))
	})
	bind("smtp", "a", RoleDefault)
	bind("imap", "a", RoleDefault)
	bind("imap", "b", RoleName)
	bind("imap", "c", RoleName)
	want(Binding{"imap", "a", RoleDefault}, Binding{"imap", "b", RoleName}, Binding{"imap", "c", RoleName}, Binding{"smtp", "a", RoleDefault})
	bind("imap", "b", RoleName) // once more: now the newest
	want(Binding{"imap", "a", RoleDefault}, Binding{"imap", "c", RoleName}, Binding{"imap", "b", RoleName}, Binding{"smtp", "a", RoleDefault})
	bind("imap", "b", RoleDefault) // takes over, and leaves its other role
	want(Binding{"imap", "c", RoleName}, Binding{"imap", "b", RoleDefault}, Binding{"smtp", "a", RoleDefault})
	bind("imap", "b", RoleDefault) // already so
	want(Binding{"imap", "c", RoleName}, Binding{"imap", "b", RoleDefault}, Binding{"smtp", "a", RoleDefault})
	err := refused(t, db, func(tx *Tx) error { return tx.Bind(serverID, Binding{"imap", "b", RoleName}) })
	if want := "binding imap: the lineage is its default, which can only be taken over"; err.Error() != want {
		t.Errorf("got %v, want %v", err, want)
	}
	refused(t, db, func(tx *Tx) error { return tx.Bind(serverID, Binding{"pop3", "a", RoleName}) })
	refused(t, db, func(tx *Tx) error { return tx.Bind(serverID, Binding{"imap", "nothing", RoleName}) })
	refused(t, db, func(tx *Tx) error { return tx.Bind(serverID, Binding{"imap", "nothing", RoleDefault}) })
	update(t, db, func(tx *Tx) error { return tx.Unbind(serverID, "imap", "c") })
	want(Binding{"imap", "b", RoleDefault}, Binding{"smtp", "a", RoleDefault})
	view(t, db, func(tx *Tx) error {
		other, err := tx.Bindings("server-2")
		same(t, other, []Binding{{"imap", "a", RoleDefault}})
		return err
	})
}

func removal(t *testing.T, db *DB) {
	l, other := lineage("l", "previous", "current"), lineage("other", "current")
	update(t, db, func(tx *Tx) error {
		return errors.Join(server(tx, serverID, "imap"), addLineage(tx, l), addLineage(tx, other),
			tx.Bind(serverID, Binding{"imap", "l", RoleDefault}), tx.Bind(serverID, Binding{"imap", "other", RoleName}))
	})
	keys := func() (ids []string) {
		t.Helper()
		view(t, db, func(tx *Tx) error {
			for _, g := range append(l.Generations, other.Generations...) {
				for _, m := range g.Members {
					if _, err := tx.Secret(m.SecretID, serverID); err == nil {
						ids = append(ids, m.SecretID)
					} else if !errors.Is(err, ErrNotFound) {
						return err
					}
				}
			}
			return nil
		})
		return ids
	}
	update(t, db, func(tx *Tx) error { return tx.RemoveGeneration(l, l.Generations[1]) })
	same(t, keys(), []string{"key-l-g2-ECDSA", "key-l-g2-RSA", "key-other-g1-ECDSA", "key-other-g1-RSA"})
	refused(t, db, func(tx *Tx) error { return tx.RemoveGeneration(l, l.Generations[1]) }) // it is gone
	view(t, db, func(tx *Tx) error {
		all, err := tx.Lineages()
		if len(all) != 2 || len(all[0].Generations) != 1 || all[0].Generations[0].ID != "l-g2" {
			t.Errorf("after removing the older generation: got %+v", all)
		}
		bound, err2 := tx.Bindings(serverID)
		same(t, bound, []Binding{{"imap", "l", RoleDefault}, {"imap", "other", RoleName}})
		return errors.Join(err, err2)
	})
	// l still tells of two generations, as a caller does who looked before the first was removed.
	update(t, db, func(tx *Tx) error { return tx.RemoveGeneration(l, l.Generations[0]) })
	same(t, keys(), []string{"key-other-g1-ECDSA", "key-other-g1-RSA"})
	view(t, db, func(tx *Tx) error {
		all, err := tx.Lineages()
		if len(all) != 1 || all[0].ID != "other" {
			t.Errorf("after removing the last generation: got %+v", all)
		}
		bound, err2 := tx.Bindings(serverID)
		same(t, bound, []Binding{{"imap", "other", RoleName}})
		return errors.Join(err, err2)
	})
}

// sharedKey: a renewal that keeps its key makes two generations with one secret.
func sharedKey(t *testing.T, db *DB) {
	l := lineage("l", "previous", "current")
	update(t, db, func(tx *Tx) error {
		err := addLineage(tx, lineage("keys", "current"))
		for i := range l.Generations {
			l.Generations[i].Members = l.Generations[i].Members[:1]
			l.Generations[i].Members[0].SecretID = "key-keys-g1-ECDSA"
		}
		return errors.Join(err, tx.AddLineage(l))
	})
	update(t, db, func(tx *Tx) error { return tx.RemoveGeneration(l, l.Generations[1]) })
	view(t, db, func(tx *Tx) error {
		_, err := tx.Secret("key-keys-g1-ECDSA", serverID)
		return err
	})
}

func secretRoundTrip(t *testing.T, db *DB) {
	want := Secret{ID: "s", Kind: SecretOrganisationKey, Ciphertext: []byte{0, 255}, Wrapped: map[string][]byte{"a": {1, 0}, "b": {2}}}
	update(t, db, func(tx *Tx) error { return tx.AddSecret(want) })
	view(t, db, func(tx *Tx) error {
		for _, recipient := range []string{"a", "b"} {
			got, err := tx.Secret("s", recipient)
			if err != nil {
				return err
			}
			same(t, got, Secret{ID: "s", Kind: SecretOrganisationKey, Ciphertext: []byte{0, 255}, Wrapped: map[string][]byte{recipient: want.Wrapped[recipient]}})
		}
		if _, err := tx.Secret("s", "c"); !errors.Is(err, ErrNotFound) {
			t.Errorf("for a stranger: got %v, want %v", err, ErrNotFound)
		}
		return nil
	})
	refused(t, db, func(tx *Tx) error { return tx.AddSecret(want) })
}

func emptySecret(t *testing.T, db *DB) {
	update(t, db, func(tx *Tx) error {
		return tx.AddSecret(Secret{ID: "empty", Kind: "k", Ciphertext: []byte{}, Wrapped: map[string][]byte{"a": {}}})
	})
	view(t, db, func(tx *Tx) error {
		s, err := tx.Secret("empty", "a")
		if len(s.Ciphertext) != 0 || len(s.Wrapped["a"]) != 0 {
			t.Errorf("got %v, want nothing in it", s)
		}
		return err
	})
	refused(t, db, func(tx *Tx) error { return tx.AddSecret(Secret{ID: "absent", Kind: "k"}) })
}

func signIns(t *testing.T, db *DB) {
	var ends time.Time
	update(t, db, func(tx *Tx) error {
		ends = tx.Now().Add(time.Hour)
		return errors.Join(tx.AddSignIn(SignIn{"old", SignInSession, "root", tx.Now()}),
			tx.AddSignIn(SignIn{"link", SignInLink, "root", ends}))
	})
	view(t, db, func(tx *Tx) error {
		got, err := tx.SignIn("link", SignInLink)
		same(t, got, SignIn{"link", SignInLink, "root", ends})
		if _, err := tx.SignIn("link", SignInSession); !errors.Is(err, ErrNotFound) {
			t.Errorf("a link as a session: got %v, want %v", err, ErrNotFound)
		}
		if _, err := tx.SignIn("old", SignInSession); !errors.Is(err, ErrNotFound) {
			t.Errorf("an expired session: got %v, want %v", err, ErrNotFound)
		}
		return err
	})
	// The next sign-in forgets the expired one: its hash is free again.
	update(t, db, func(tx *Tx) error { return tx.AddSignIn(SignIn{"old", SignInSession, "uid 1000", ends}) })
	refused(t, db, func(tx *Tx) error { return tx.AddSignIn(SignIn{"link", SignInLink, "uid 1000", ends}) })
	update(t, db, func(tx *Tx) error { return tx.RemoveSignIn("link") })
	view(t, db, func(tx *Tx) error {
		if _, err := tx.SignIn("link", SignInLink); !errors.Is(err, ErrNotFound) {
			t.Errorf("a removed link: got %v, want %v", err, ErrNotFound)
		}
		_, err := tx.SignIn("old", SignInSession)
		return err
	})
}

func auditNumbers(t *testing.T, db *DB) {
	var at time.Time
	act := func(server, object string, fail error) {
		_, err := db.Update(t.Context(), Actor{Who: "uid 1000", From: "socket"}, func(tx *Tx) error {
			tx.ActFor(server)
			at = tx.Now()
			if err := tx.Audit("enable", object, nil, map[string]any{"name": "<é>"}); err != nil {
				return err
			}
			return fail
		})
		if !errors.Is(err, fail) {
			t.Fatalf("got %v, want %v", err, fail)
		}
	}
	act("a", "1", nil)
	act("b", "1", nil)
	act("a", "lost", errors.New("changed my mind"))
	act("a", "2", nil)
	update(t, db, func(tx *Tx) error { // two rows in one change
		tx.ActFor("b")
		return errors.Join(tx.Audit("x", "2", 1, nil), tx.Audit("x", "3", nil, nil))
	})
	act("a", "3", nil)
	view(t, db, func(tx *Tx) error {
		for _, server := range []string{"a", "b"} {
			rows, err := tx.AuditRows(server, 100)
			if err != nil {
				return err
			}
			var got []string
			for i, r := range rows {
				got = append(got, r.Object)
				if want := int64(len(rows) - i); r.Number != want {
					t.Errorf("server %s: got number %d, want %d", server, r.Number, want)
				}
			}
			if server == "a" {
				same(t, got, []string{"3", "2", "1"})
				same(t, rows[0], AuditRow{Number: 3, At: at, Who: "uid 1000", From: "socket", Act: "enable", Object: "3", After: `{"name":"\u003cé\u003e"}`})
			} else {
				same(t, got, []string{"object", "3", "2", "1"})
				same(t, rows[2].Before, "1")
			}
		}
		last, err := tx.AuditRows("a", 2)
		if len(last) != 2 || last[0].Number != 3 {
			t.Errorf("the last two: got %+v", last)
		}
		return err
	})
	err := refused(t, db, func(tx *Tx) error { return tx.Audit("x", "y", nil, make(chan int)) })
	if want := "writing the audit row of x: json: unsupported type: chan int"; err.Error() != want {
		t.Errorf("got %v, want %v", err, want)
	}
}

func viewIsReadOnly(t *testing.T, db *DB) {
	err := db.View(t.Context(), func(tx *Tx) error { return server(tx, serverID) })
	if err == nil {
		t.Error("a look stored a server")
	}
	view(t, db, func(tx *Tx) error {
		servers, err := tx.Servers()
		same(t, servers, nil)
		return err
	})
}

func largeValues(t *testing.T, db *DB) {
	blob := make([]byte, 4<<20)
	for i := range blob {
		blob[i] = byte(i * 7 >> 3)
	}
	text := strings.Repeat("긴 이름 ", 1<<16)
	update(t, db, func(tx *Tx) error {
		return errors.Join(tx.AddSecret(Secret{ID: "s", Kind: "k", Ciphertext: blob, Wrapped: map[string][]byte{"a": blob}}), tx.Audit("x", text, nil, nil))
	})
	view(t, db, func(tx *Tx) error {
		s, err := tx.Secret("s", "a")
		if err != nil {
			return err
		}
		if string(s.Ciphertext) != string(blob) || string(s.Wrapped["a"]) != string(blob) {
			t.Error("the blob came back changed")
		}
		rows, err := tx.AuditRows(serverID, 2)
		if len(rows) != 2 || rows[1].Object != text {
			t.Error("the text came back changed")
		}
		return err
	})
}

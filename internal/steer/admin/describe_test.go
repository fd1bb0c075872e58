package admin

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"postseal/internal/peers"
	"postseal/internal/steer/desk"
	"postseal/internal/steer/openapi"
)

var update = flag.Bool("update", false, "write the description of the API anew")

// operations are the acts as the description wants them, in the order of their names.
func operations(table map[string]act) []openapi.Operation {
	var all []openapi.Operation
	example := examples()
	for name, a := range table {
		method := a.method
		if i := strings.LastIndex(method, ".(*Desk)."); i >= 0 {
			method, _, _ = strings.Cut(strings.TrimSuffix(method[i+len(".(*Desk)."):], "-fm"), ".")
		} else {
			method = closures()[name]
		}
		all = append(all, openapi.Operation{Name: name, Method: method, Scope: string(a.scope), Request: a.request, Answer: a.answer, Files: bringsFiles(name), Example: example[name]})
	}
	slices.SortFunc(all, func(a, b openapi.Operation) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// closures names the desk's method behind each act that is no method itself.
func closures() map[string]string {
	return map[string]string{
		"cert/show": "Certificate", "lineage/list": "Lineages", "lineage/show": "Lineage", "listener/list": "Listeners", "service/list": "Services",
		"status/show": "Status", "cert/opening": "Opening", "trust/list": "Trust", "trust/beliefs": "Beliefs", "check/run": "Check", "check/seen": "LastSeen", "check/own": "Own", "check/believed": "Believed", "admin/link": "NewLink", "admin/token-list": "Tokens", "admin/fingerprint": "Fingerprints", "notice/test": "TestNotices", "recovery/show": "Recovery", "recovery/secrets": "RecoverySecrets", "audit/verify": "VerifyAudit", "ca/show": "OwnAuthorities", "ca/profile-list": "CAProfiles", "ca/profile-show": "CAProfile", "ca/certificate": "IssuedCertificate", "ca/eab-list": "EABs", "ca/account-list": "Accounts", "ca/ari-list": "Windows", "ca/counts": "CountBook", "ca/people": "People", "ca/health": "PKIHealth", "ca/module": "SecurityModule", "ca/requests": "AuthorityRequests",
	}
}

// scopes are the scopes of tokens, for the description.
func scopes() map[string]string {
	return map[string]string{string(desk.ScopeRead): "looks", string(desk.ScopeOperate): "certificates: make, renew, activate, enable",
		string(desk.ScopeAdmin): "private keys, trust, tokens, sign-in links, listeners, recovery"}
}

// TestTheDescription makes the description anew and compares: acts, types and comments that change, change it.
func TestTheDescription(t *testing.T) {
	t.Parallel()
	source := openapi.NewSource("postseal", filepath.Join("..", "..", ".."))
	got, err := openapi.Document(openapi.Options{Operations: operations(acts(nil)), Scopes: scopes(), Problem: reflect.TypeFor[Problem](), Problems: problems(), Source: source, Receiver: reflect.TypeFor[desk.Desk]()})
	if err != nil || source.Err() != nil {
		t.Fatal(err, source.Err())
	}
	if *update {
		if err := os.WriteFile("openapi.json", got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(got, description) {
		t.Error("openapi.json is not what the acts say; run: go test ./internal/steer/admin -run TestTheDescription -update")
	}
	if docs, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "openapi.json")); err != nil || !bytes.Equal(docs, description) {
		t.Errorf("docs/openapi.json is not the same file: %v", err)
	}
}

// TestEveryActHasAScope: one without could be asked by no token, and nobody would know why.
func TestEveryActHasAScope(t *testing.T) {
	t.Parallel()
	for name, a := range acts(nil) {
		if !slices.Contains(desk.Scopes(), a.scope) {
			t.Errorf("%s has the scope %q: make it with looking, operating or administering", name, a.scope)
		}
	}
	for name, want := range map[string]desk.Scope{"cert/list": desk.ScopeRead, "cert/renew": desk.ScopeOperate, "cert/export": desk.ScopeAdmin, "admin/token-new": desk.ScopeAdmin,
		"admin/link": desk.ScopeAdmin, "trust/add": desk.ScopeAdmin, "listener/set": desk.ScopeAdmin, "cert/remove": desk.ScopeOperate} {
		if got := acts(nil)[name].scope; got != want {
			t.Errorf("%s: got scope %q, want %q", name, got, want)
		}
	}
}

// judge runs a script of the npm judges on an input and returns what it prints.
func judge(t *testing.T, script, input string) string {
	t.Helper()
	peers.Need(t, "node")
	dir := filepath.Join("..", "..", "peers", "node")
	cmd := exec.CommandContext(t.Context(), "node", "--input-type=module", "-e", script)
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("asking the judge (make deps installs it): %v\n%s", err, out)
	}
	return string(out)
}

// TestAJudgeOfDescriptions: a validator that is not ours finds nothing wrong with the document, and does find
// what we break.
func TestAJudgeOfDescriptions(t *testing.T) {
	t.Parallel()
	const script = `import {Validator} from "@seriousme/openapi-schema-validator"; import {readFileSync} from "fs";
const r = await new Validator().validate(JSON.parse(readFileSync(0, "utf8"))); console.log(JSON.stringify(r));`
	var verdict struct{ Valid bool }
	out := judge(t, script, string(description))
	if err := json.Unmarshal([]byte(out), &verdict); err != nil || !verdict.Valid {
		t.Errorf("got %s, %v", out, err)
	}
	broken := strings.Replace(string(description), `"responses": {`, `"answers": {`, 1)
	if out := judge(t, script, broken); !strings.Contains(out, `"valid":false`) {
		t.Errorf("a broken document: got %s", out)
	}
}

// TestAnswersAreAsDescribed asks real acts, and lets a validator compare what they say to their schemas. Members
// that no schema knows are errors here, although clients must bear them.
func TestAnswersAreAsDescribed(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t, running{})
	api := apiOf(t, o)
	type sample struct {
		Act    string          `json:"act"`
		Status int             `json:"status"`
		Asked  json.RawMessage `json:"asked"`
		Answer json.RawMessage `json:"answer"`
	}
	var samples []sample
	for _, c := range [][2]string{
		{"cert/list", "{}"}, {"cert/show", `{"id":"auth"}`}, {"cert/show", `{"id":"internal-mail1-example-com"}`}, {"lineage/list", "{}"}, {"lineage/show", `{"id":"auth"}`},
		{"listener/list", "{}"}, {"service/list", "{}"}, {"status/show", "{}"}, {"cert/explain", `{"listener":"imaps"}`}, {"cert/opening", "{}"}, {"trust/list", "{}"},
		{"cert/new", `{"name":"N","kinds":["ed25519"],"domains":["a.example.com"],"lineage":"n"}`}, {"cert/enable", `{"id":"n","services":"POP"}`},
		{"cert/renew", `{"id":"n","noActivate":true}`}, {"cert/activate", `{"id":"n"}`}, {"cert/rollback", `{"lineage":"n"}`},
		{"cert/request", `{"name":"R","domains":["r.example.com"]}`}, {"cert/set-internal", `{"id":"management-mail1-example-com","dryRun":true}`},
		{"cert/export", `{"id":"n","format":"pem","noKey":true}`}, {"lineage/set", `{"lineage":"n","activation":"approve"}`}, {"listener/set", `{"listener":"imap","dryRun":true}`},
		{"cert/remove", `{"id":"management-mail1-example-com","dryRun":true}`}, {"admin/link", "{}"},
		{"admin/token-new", `{"name":"ci","scope":"operate"}`}, {"admin/token-list", "{}"}, {"admin/fingerprint", "{}"}, {"admin/token-revoke", `{"name":"ci"}`},
		{"cert/show", `{"id":"00000000"}`}, {"cert/list", `{"status":"Splendid"}`},
	} {
		status, body, _ := post(t, api, "/api/v1/"+c[0], c[1])
		samples = append(samples, sample{c[0], status, json.RawMessage(c[1]), body})
	}
	input, err := json.Marshal(map[string]any{"document": json.RawMessage(description), "samples": samples})
	if err != nil {
		t.Fatal(err)
	}
	const script = `import Ajv from "ajv/dist/2020.js"; import formats from "ajv-formats"; import {readFileSync} from "fs";
const {document, samples} = JSON.parse(readFileSync(0, "utf8"));
for (const s of Object.values(document.components.schemas)) s.additionalProperties = false;
const ajv = new Ajv.default({strict: false, allErrors: true}); formats.default(ajv);
ajv.addSchema({$id: "api", ...document}, "api");
const faults = []; let checked = 0;
for (const s of samples) {
  const post = document.paths["/api/v1/" + s.act].post;
  const check = (schema, value, what) => {
    const v = ajv.compile(JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"api#/')));
    checked++; if (!v(value)) faults.push(s.act + " " + what + ": " + ajv.errorsText(v.errors));
  };
  check(post.requestBody.content["application/json"].schema, s.asked, "request");
  let answer = post.responses[String(s.status)];
  if (answer.$ref) answer = document.components.responses[answer.$ref.split("/").pop()];
  check(answer.content["application/json"].schema, s.answer, "answer " + s.status);
}
console.log(JSON.stringify({checked, faults}));`
	var verdict struct {
		Checked int
		Faults  []string
	}
	out := judge(t, script, string(input))
	if err := json.Unmarshal([]byte(out), &verdict); err != nil || verdict.Checked != 2*len(samples) {
		t.Fatalf("got %s, %v", out, err)
	}
	for _, f := range verdict.Faults {
		t.Error(f)
	}
	for _, s := range samples[:len(samples)-2] {
		if s.Status != http.StatusOK {
			t.Errorf("%s %s: got %d, %s: a sample that shows only a refusal", s.Act, s.Asked, s.Status, s.Answer)
		}
	}
	// The validator can fail: a member too many, and one too few.
	samples = []sample{{"cert/list", 200, json.RawMessage("{}"), json.RawMessage(`[{"thumbprint":"x","colour":"red"}]`)}}
	input, err = json.Marshal(map[string]any{"document": json.RawMessage(description), "samples": samples})
	if err != nil {
		t.Fatal(err)
	}
	if out := judge(t, script, string(input)); !strings.Contains(out, "must NOT have additional properties") || !strings.Contains(out, "must have required property") {
		t.Errorf("a wrong answer: got %s", out)
	}
}

// TestTheDescriptionIsServed, to anybody.
func TestTheDescriptionIsServed(t *testing.T) {
	t.Parallel()
	status, body, header := perform(apiOf(t, newOrganisation(t, running{})), httptest.NewRequestWithContext(t.Context(), http.MethodGet, describedAt, nil))
	if status != http.StatusOK || !bytes.Equal(body, description) || header.Get("Content-Type") != "application/json" {
		t.Errorf("got %d, %v, %s", status, header, fmt.Sprintf("%.80s", body))
	}
}

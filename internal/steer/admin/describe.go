package admin

import (
	_ "embed"
	"net/http"
)

// describedAt is where the description of the API is. Strangers may read it: it says what stands in the
// documentation, and nothing of this server.
const describedAt = "/api/v1/openapi.json"

// description is made of the acts by a test, which also holds it to them:
//
//	go test ./internal/steer/admin -run TestTheDescription -update
//
// docs/openapi.json is a link to it.
//
//go:embed openapi.json
var description []byte

func describe(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-cache")
	w.Write(description) // the reader is gone when this fails
}

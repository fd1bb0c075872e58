package pages

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// partLimit is how long the reader may take for one part of a page that arrives in parts.
const partLimit = time.Minute

// arriving is a page that is sent while what it shows comes about. It needs no script and no second request: the browser
// shows what is there, and the reader who leaves ends what is done for him, because the context of his request ends.
// What can be refused must be refused before the first part: afterwards the status is said.
type arriving struct {
	printer *printer
	w       http.ResponseWriter
	control *http.ResponseController
	data    page
}

// arriveAt sends the head of an answer; its parts follow with [arriving.add].
func (p *printer) arriveAt(w http.ResponseWriter, r *http.Request, s sheet) *arriving {
	a := &arriving{printer: p, w: w, control: http.NewResponseController(w), data: p.page(r, s)}
	head(w, a.data)
	w.WriteHeader(s.status)
	return a
}

// add sends one part, whole or not at all, and sees to it that it leaves. The error is one of the template, which is ours,
// or of the connection.
func (a *arriving) add(template string, body any) error {
	a.data.Body = body
	var part bytes.Buffer
	if err := a.printer.templates.ExecuteTemplate(&part, template, a.data); err != nil {
		return fmt.Errorf("printing a part of a page: %w", err)
	}
	// The server's limit is for an answer that is made at once. Where no deadline can be set, as without a network, there is none.
	if err := a.control.SetWriteDeadline(time.Now().Add(partLimit)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := a.w.Write(part.Bytes()); err != nil {
		return err
	}
	if err := a.control.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}

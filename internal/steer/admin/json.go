package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// strictUnmarshal reads exactly one JSON document without unknown members.
func strictUnmarshal(body []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one JSON document")
	}
	return nil
}

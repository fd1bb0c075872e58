package main

import (
	"bufio"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"postseal/internal/ground/durable"
	"postseal/internal/steer/probe"
)

// junitFile is the XML that build servers read, a suite for each host and a case for each endpoint. It grows in a
// temporary file and is renamed into place when it is whole.
type junitFile struct {
	path  string
	force bool
	file  *os.File // nil when it is ended
	w     *bufio.Writer
}

type (
	junitSuite struct {
		XMLName  xml.Name    `xml:"testsuite"`
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		Failure *junitFailure `xml:"failure"`
		Out     string        `xml:"system-out,omitempty"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",chardata"`
	}
)

func newJUnit(path string, force bool) (*junitFile, error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".tmp-junit-*")
	if err != nil {
		return nil, fmt.Errorf("writing %s: %w", path, err)
	}
	j := &junitFile{path: path, force: force, file: f, w: bufio.NewWriter(f)}
	if _, err := j.w.WriteString(xml.Header + "<testsuites name=\"postseal check\">\n"); err != nil {
		j.discard()
		return nil, fmt.Errorf("writing %s: %w", path, err)
	}
	return j, nil
}

// write adds a host.
func (j *junitFile) write(r *probe.Report) error {
	suite := junitSuite{Name: r.Host}
	add := func(name string, findings []probe.Finding) {
		c := junitCase{Class: r.Host, Name: name}
		var bad, good []string
		for _, f := range findings {
			line := string(f.Severity) + " " + string(f.Code) + ": " + f.Text + "; " + f.Do
			if f.Severity.Attention() {
				bad = append(bad, line)
				if c.Failure == nil {
					c.Failure = &junitFailure{Message: f.Text, Type: string(f.Code)}
				}
			} else {
				good = append(good, line)
			}
		}
		if c.Failure != nil {
			c.Failure.Text = strings.Join(bad, "\n")
			suite.Failures++
		}
		c.Out = strings.Join(good, "\n")
		suite.Cases = append(suite.Cases, c)
	}
	add("host", r.Findings)
	for i := range r.Endpoints {
		e := &r.Endpoints[i]
		add(fmt.Sprintf("%d %s", e.Port, speaks(e)), e.Findings)
	}
	suite.Tests = len(suite.Cases)
	text, err := xml.MarshalIndent(suite, " ", " ")
	if err == nil {
		_, err = j.w.Write(append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", j.path, err)
	}
	return nil
}

// end puts the file in its place.
func (j *junitFile) end() error {
	_, err := j.w.WriteString("</testsuites>\n")
	temporary := j.file.Name()
	err = errors.Join(err, j.w.Flush(), j.file.Chmod(0o644), j.file.Sync(), j.file.Close())
	j.file = nil
	if err == nil {
		err = j.place(temporary)
	}
	if err != nil {
		os.Remove(temporary) // what is wrong is said already
		return fmt.Errorf("writing %s: %w", j.path, err)
	}
	return nil
}

// place renames; without --force a file that has come meanwhile stays.
func (j *junitFile) place(temporary string) error {
	if j.force {
		return durable.Rename(temporary, j.path)
	}
	if err := os.Link(temporary, j.path); errors.Is(err, fs.ErrExist) {
		return errFileExists
	} else if err != nil {
		return err
	}
	return durable.Remove(temporary)
}

// discard removes what was begun.
func (j *junitFile) discard() {
	if j.file == nil {
		return
	}
	name := j.file.Name()
	j.file.Close()
	os.Remove(name)
	j.file = nil
}

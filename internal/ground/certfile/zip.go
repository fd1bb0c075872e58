package certfile

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"path"
	"strings"
)

const (
	maxMembers = 1_000
	// maxRatio is how much larger a member may be than it is in the ZIP file. Certificates in PEM shrink to a half;
	// only what was made to do harm shrinks to a hundredth. Below ratioFrom nobody is harmed.
	maxRatio  = 100
	ratioFrom = 64 << 10
)

// readZIP reads what is in a ZIP file. Members that are something else, such as a README, are passed over and told.
func (r *reader) readZIP(data []byte, at Origin) error {
	if r.inside {
		return &UnsupportedError{At: at, What: "a ZIP file in a ZIP file"}
	}
	r.inside = true
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) { // paths are shown, never opened
		return formatErrorf(at, "the ZIP file is damaged: %v", err)
	}
	if len(archive.File) > maxMembers {
		return &LimitError{At: at, What: "members", Limit: maxMembers}
	}
	left := int64(MaxBytes)
	names := map[string]bool{}
	for _, f := range archive.File {
		if f.FileInfo().IsDir() || isLitter(f.Name) {
			continue
		}
		member := Origin{File: at.File, Member: f.Name}
		if names[f.Name] {
			return formatErrorf(member, "two members have this name, and nobody can say which is meant")
		}
		names[f.Name] = true
		if f.Flags&1 != 0 {
			return &UnsupportedError{At: member, What: "an encrypted ZIP file"}
		}
		content, err := readMember(f, left, member)
		if err != nil {
			return err
		}
		left -= int64(len(content))
		if form, _ := detect(content); form == formUnknown || form == formEmpty {
			r.contents.Ignored = append(r.contents.Ignored, member)
			continue
		}
		if err := r.read(content, member); err != nil {
			return err
		}
	}
	return nil
}

// isLitter reports whether a member is what an operating system leaves behind.
func isLitter(name string) bool {
	base := path.Base(strings.ReplaceAll(name, `\`, "/"))
	return strings.HasPrefix(name, "__MACOSX/") || strings.HasPrefix(base, "._") ||
		base == ".DS_Store" || strings.EqualFold(base, "Thumbs.db") || strings.EqualFold(base, "desktop.ini")
}

// readMember reads one member of at most left octets. The sizes in the directory are the sender's word, so what comes
// out is counted.
func readMember(f *zip.File, left int64, at Origin) ([]byte, error) {
	most := left
	if ratio := maxRatio * int64(min(f.CompressedSize64, MaxBytes)); ratio < most {
		most = max(ratio, min(ratioFrom, left))
	}
	rc, err := f.Open()
	if errors.Is(err, zip.ErrAlgorithm) {
		return nil, &UnsupportedError{At: at, What: "the compression method of this member"}
	} else if err != nil {
		return nil, formatErrorf(at, "the ZIP file is damaged: %v", err)
	}
	content, err := io.ReadAll(io.LimitReader(rc, most+1))
	if int64(len(content)) > most {
		rc.Close()
		return nil, &LimitError{At: at, What: "octets when it is unpacked", Limit: most}
	}
	if closeErr := rc.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, formatErrorf(at, "the ZIP file is damaged: %v", err)
	}
	return content, nil
}

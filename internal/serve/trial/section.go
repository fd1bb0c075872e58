package trial

import (
	"bufio"
	"bytes"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-message/textproto"
)

// bodySection is what BODY[...] returns. The whole message and its two halves are cut from the octets as they
// came: go-imap's own function parses and rewrites the header, which adds what was missing and drops all of a
// message whose header it cannot read. Parts and chosen fields have no such claim and are left to it.
func bodySection(raw []byte, item *imap.FetchItemBodySection) []byte {
	if len(item.Part)+len(item.HeaderFields)+len(item.HeaderFieldsNot) > 0 {
		return imapserver.ExtractBodySection(bytes.NewReader(raw), item)
	}
	header, text := halves(raw)
	switch item.Specifier {
	case imap.PartSpecifierHeader:
		raw = header
	case imap.PartSpecifierText:
		raw = text
	}
	if p := item.Partial; p != nil {
		// RFC 9051 section 6.4.5: from behind the end there is nothing, over the end what there is.
		raw = raw[min(p.Offset, int64(len(raw))):]
		raw = raw[:min(p.Size, int64(len(raw)))]
	}
	return raw
}

// envelope is nil for a message whose header cannot be read; it is then told as one with no fields.
func envelope(raw []byte) *imap.Envelope {
	header, err := textproto.ReadHeader(bufio.NewReader(bytes.NewReader(raw)))
	if err != nil {
		return nil
	}
	return imapserver.ExtractEnvelope(header)
}

// whole replaces a multipart without parts, which any stranger can send, by an empty text: the grammar of IMAP
// has no such thing, and go-imap panics over it.
func whole(structure imap.BodyStructure) imap.BodyStructure {
	switch part := structure.(type) {
	case *imap.BodyStructureMultiPart:
		if len(part.Children) == 0 {
			return &imap.BodyStructureSinglePart{
				Type: "text", Subtype: "plain",
				Text:     &imap.BodyStructureText{},
				Extended: &imap.BodyStructureSinglePartExt{},
			}
		}
		for i, child := range part.Children {
			part.Children[i] = whole(child)
		}
	case *imap.BodyStructureSinglePart:
		if part.MessageRFC822 != nil {
			part.MessageRFC822.BodyStructure = whole(part.MessageRFC822.BodyStructure)
		}
	}
	return structure
}

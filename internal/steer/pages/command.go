package pages

import (
	"fmt"
	"strings"
	"unicode"
)

// commandWord is a word of a command on a page. Browsers break lines behind hyphens and slashes, and whoever types
// `--pro` and `file` from two lines types another command: such a word is kept whole, and the line breaks at spaces alone.
// A click on the command selects all of it, so that it is copied as one line without a script.
type commandWord struct {
	Text  string
	Whole bool // it has a place at which a browser would break it
}

// commandWords are the words of a command.
func commandWords(command any) []commandWord {
	var all []commandWord
	for text := range strings.SplitSeq(fmt.Sprint(command), " ") {
		all = append(all, commandWord{text, strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })})
	}
	return all
}

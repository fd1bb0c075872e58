package hint

import (
	"fmt"
	"strings"

	"postseal/internal/keep/plan"
	"postseal/internal/steer/desk"
	"postseal/internal/steer/wizard"
)

// planEntries are about plans: what is needed, of whom, and carrying it out.
func planEntries() []entry {
	return []entry{
		wrong(as("plan.SyntaxError", always[*plan.SyntaxError]("write a line like: mail.example.com HTTP,IMAP,SMTP inside; see: postseal help plan"))),
		wrong(as("plan.InventoryError", always[*plan.InventoryError]("correct it and run the command again; see: postseal help plan"))),
		wrong(as("plan.UnknownAuthorityError", always[*plan.UnknownAuthorityError]("the authorities are "+strings.Join(plan.AuthorityWords(), ", ")+"; see: postseal plan authorities"))),
		wrong(as("plan.UnknownWantError", always[*plan.UnknownWantError]("the wishes are "+strings.Join(plan.WantWords(), ", ")))),
		wrong(as("plan.UnknownChoiceError", func(e *plan.UnknownChoiceError) string {
			return fmt.Sprintf("choose one of %s, or leave it out for the recommended one", strings.Join(e.There, ", "))
		})),
		wrong(as("wizard.MissingError", always[*wizard.MissingError]("give the flag, or answer on a terminal; see: postseal cert wizard --help"))),
		wrong(as("wizard.AnswerError", always[*wizard.AnswerError]("correct the answer; see: postseal cert wizard --help"))),
		is("wizard.ErrLeft", wizard.ErrLeft, "nothing was made; begin again with: postseal cert wizard"),
		as("desk.PlanTooLargeError", always[*desk.PlanTooLargeError]("take a choice with fewer certificates, or divide the file and carry it out in parts")),
	}
}

package desk

import (
	"fmt"
	"testing"
)

// TestSoManyWaitAndNoMore: whoever asks must not fill the disk, and that it is full is found out without reading what waits.
func TestSoManyWaitAndNoMore(t *testing.T) {
	t.Parallel()
	h := authorityHouse(t)
	twoPersons(t, h)
	h.exec(t, fmt.Sprintf(`INSERT INTO approval (id, profile, requester, names, request, state, asked_at) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i <= %d)
		SELECT 'x' || i, 'server', 'r', '', '{}', CASE WHEN i <= 2 THEN 'rejected' ELSE 'waiting' END, i FROM n`, maxWaiting))
	for n, full := range []bool{false, true} {
		c, err := h.Certify(t.Context(), tester(), CertifyRequest{CSR: newCSR(t, "a.example.com")})
		if full != isA[*ValueError](err) || !full && (err != nil || c.Waiting == "") {
			t.Errorf("request %d beyond those that wait: got %+v, %v", n, c, err)
		}
	}
}

package x509cert

import (
	"crypto/x509"
	"slices"
)

// ExtendedValidation reports whether a certificate says that its authority has looked at the organisation behind it: one
// of its policies (RFC 5280 section 4.2.1.4) is that of the CA/Browser Forum, 2.23.140.1.1, or one of those that
// authorities used before they had a common one and still write beside it.
func ExtendedValidation(cert *x509.Certificate) bool {
	known := extendedPolicies()
	return slices.ContainsFunc(cert.Policies, func(oid x509.OID) bool { return slices.Contains(known, oid.String()) })
}

// extendedPolicies are the policies of extended validation, as browsers list them.
func extendedPolicies() []string {
	return []string{
		"2.23.140.1.1",                 // CA/Browser Forum
		"1.2.156.112559.1.1.6.1",       // GDCA
		"1.2.392.200091.100.721.1",     // SECOM
		"1.2.616.1.113527.2.5.1.1",     // Certum
		"1.3.159.1.17.1",               // Actalis
		"1.3.6.1.4.1.13177.10.1.3.10",  // Firmaprofesional
		"1.3.6.1.4.1.14370.1.6",        // GeoTrust
		"1.3.6.1.4.1.14777.6.1.1",      // Izenpe
		"1.3.6.1.4.1.34697.2.1",        // AffirmTrust
		"1.3.6.1.4.1.40869.1.1.22.3",   // TWCA
		"1.3.6.1.4.1.4146.1.1",         // GlobalSign
		"1.3.6.1.4.1.4788.2.202.1",     // D-TRUST
		"1.3.6.1.4.1.6334.1.100.1",     // Verizon
		"1.3.6.1.4.1.6449.1.2.1.5.1",   // Sectigo
		"1.3.6.1.4.1.782.1.2.1.8.1",    // Network Solutions
		"1.3.6.1.4.1.7879.13.24.1",     // T-Systems
		"1.3.6.1.4.1.8024.0.2.100.1.2", // QuoVadis
		"2.16.156.112554.3",            // CFCA
		"2.16.528.1.1003.1.2.7",        // Staat der Nederlanden
		"2.16.578.1.26.1.3.3",          // Buypass
		"2.16.756.1.89.1.2.1.1",        // SwissSign
		"2.16.840.1.113733.1.7.23.6",   // VeriSign
		"2.16.840.1.113733.1.7.48.1",   // Thawte
		"2.16.840.1.113839.0.6.9",      // IdenTrust
		"2.16.840.1.114028.10.1.2",     // Entrust
		"2.16.840.1.114404.1.1.2.4.1",  // Trustwave
		"2.16.840.1.114412.2.1",        // DigiCert
		"2.16.840.1.114413.1.7.23.3",   // Go Daddy
		"2.16.840.1.114414.1.7.23.3",   // Starfield
		"2.16.840.1.114414.1.7.24.3",   // Starfield, Amazon
	}
}

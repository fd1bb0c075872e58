package ca

// Certifies says whether the names of a request could be certified for a profile, whatever the key: nil, or the error
// that [Issuer.Draft] would return for them. It is for those who must be told before they prove that a name is theirs.
func (i *Issuer) Certifies(p *Profile, texts []string) error {
	names, err := parseNames(texts)
	if err != nil {
		return err
	}
	if err := p.checkNames(names); err != nil {
		return err
	}
	return i.checkNames(names)
}

package trustfile

import (
	"bytes"
	"crypto/sha1" // the name of a certificate in Windows' registry, no protection
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
)

// appleFile makes a configuration profile: a property list with one payload for each certificate. Identifiers are made
// of the certificates, so a newer profile for the same organisation takes the place of the older.
func appleFile(b *bundle) (*File, error) {
	identifier := "postseal.trust." + b.slug
	var out bytes.Buffer
	out.WriteString(`<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>PayloadContent</key>
	<array>
`)
	for _, e := range b.entries {
		// com.apple.security.root makes it trusted; a certificate that signs itself and is no authority counts as one.
		fmt.Fprintf(&out, `		<dict>
			<key>PayloadCertificateFileName</key>
			<string>%[1]s.cer</string>
			<key>PayloadContent</key>
			<data>
%[2]s			</data>
			<key>PayloadDescription</key>
			<string>SHA-256 %[3]s</string>
			<key>PayloadDisplayName</key>
			<string>%[4]s</string>
			<key>PayloadIdentifier</key>
			<string>%[5]s.%[1]s</string>
			<key>PayloadType</key>
			<string>com.apple.security.root</string>
			<key>PayloadUUID</key>
			<string>%[6]s</string>
			<key>PayloadVersion</key>
			<integer>1</integer>
		</dict>
`, e.file, wrapped(e.cert.Raw, "\t\t\t", "\n"), e.fingerprint, e.subject, identifier, uuidOf("certificate", e.cert.Raw))
	}
	fmt.Fprintf(&out, `	</array>
	<key>PayloadDescription</key>
	<string>Certificates that %[1]s trusts</string>
	<key>PayloadDisplayName</key>
	<string>%[1]s: certificates</string>
	<key>PayloadIdentifier</key>
	<string>%[2]s</string>
	<key>PayloadOrganization</key>
	<string>%[1]s</string>
	<key>PayloadScope</key>
	<string>System</string>
	<key>PayloadType</key>
	<string>Configuration</string>
	<key>PayloadUUID</key>
	<string>%[3]s</string>
	<key>PayloadVersion</key>
	<integer>1</integer>
</dict>
</plist>
`, b.organisation, identifier, uuidOf("profile", []byte(b.digest)))
	return &File{
		Name: b.slug + ".mobileconfig", Type: "application/x-apple-aspen-config", Data: out.Bytes(),
		Install: []string{
			"by a device management server: as it is",
			"by hand on macOS: open it, then System Settings, Privacy & Security, Profiles",
			"by hand on iOS and iPadOS: open it, then Settings, General, VPN & Device Management; then switch it on in General, About, Certificate Trust Settings",
		},
	}, nil
}

// uuidOf is a UUID of version 8 (RFC 9562 section 5.8): the same for the same certificate.
func uuidOf(kind string, what []byte) string {
	sum := sha256.Sum256(append([]byte("postseal trust "+kind+"\x00"), what...))
	u := sum[:16]
	u[6], u[8] = u[6]&0x0f|0x80, u[8]&0x3f|0x80
	h := strings.ToUpper(hex.EncodeToString(u))
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// wrapped is base64 in lines of 64, each with a prefix and an end.
func wrapped(data []byte, prefix, end string) string {
	text := base64.StdEncoding.EncodeToString(data)
	var b strings.Builder
	for len(text) > 0 {
		n := min(64, len(text))
		b.WriteString(prefix + text[:n] + end)
		text = text[n:]
	}
	return b.String()
}

// androidFile makes what Settings installs: one certificate in DER, named .crt. With several, each has to be installed
// by itself, so they come in a ZIP.
func androidFile(b *bundle) (*File, error) {
	install := []string{
		"on the device: Settings, Security, Encryption & credentials, Install a certificate, CA certificate; only certificates of authorities are taken",
		"apps trust what a user installed only if they say so (network_security_config.xml: <certificates src=\"user\" />); with a management tool, install it as a trusted CA of the work profile",
	}
	if len(b.entries) == 1 {
		e := b.entries[0]
		return &File{Name: e.file + ".crt", Type: "application/x-x509-ca-cert", Data: bytes.Clone(e.cert.Raw), Install: install}, nil
	}
	var members []member
	for _, e := range b.entries {
		members = append(members, member{e.file + ".crt", 0o644, e.cert.Raw})
	}
	data, err := zipped(members, b.made)
	return &File{Name: b.slug + "-android.zip", Type: "application/zip", Data: data, Install: append([]string{"unpack it and install each file by itself"}, install...)}, err
}

// windowsFile makes a PowerShell script that can do what an administrator of Windows wants: write a group policy, publish
// in Active Directory, or trust on this machine only. It is ASCII with CRLF, and needs nothing that Windows Server 2016
// does not have.
func windowsFile(b *bundle) (*File, error) {
	var out strings.Builder
	line := func(format string, args ...any) {
		out.WriteString(strings.Map(func(r rune) rune {
			if r > '~' {
				return '?' // old PowerShell guesses at the encoding of what is not ASCII
			}
			return r
		}, fmt.Sprintf(format, args...)) + "\r\n")
	}
	name := b.slug + "-trust.ps1"
	line("# Certificates that %s trusts, for Windows. Run in PowerShell as administrator:", b.organisation)
	line("#   .\\%s -Gpo NAME     write them into the group policy NAME (made if it is not there), for its computers", name)
	line("#   .\\%s -Directory    publish them in Active Directory, for all computers of the forest (certutil -dspublish)", name)
	line("#   .\\%s               trust them on this computer only", name)
	line("# and with -Remove take them back from the policy or from this computer.")
	line("param([string]$Gpo, [switch]$Directory, [switch]$Remove)")
	line("$ErrorActionPreference = 'Stop'")
	line("$certificates = @(")
	for i, e := range b.entries {
		comma := ","
		if i == len(b.entries)-1 {
			comma = ""
		}
		thumbprint := sha1.Sum(e.cert.Raw)
		line("  # %s", e.subject)
		line("  # SHA-256 %s", e.fingerprint)
		line("  @{ Thumbprint = '%s'", strings.ToUpper(hex.EncodeToString(thumbprint[:])))
		line("     Der = '%s'", base64.StdEncoding.EncodeToString(e.cert.Raw))
		line("     Blob = '%s' }%s", base64.StdEncoding.EncodeToString(registryBlob(e.cert.Raw)), comma)
	}
	line(")")
	for _, text := range strings.Split(windowsBody, "\n") {
		line("%s", text)
	}
	return &File{
		Name: name, Type: "text/plain; charset=us-ascii", Data: []byte(out.String()),
		Install: []string{
			"on a domain controller, as administrator: powershell -ExecutionPolicy Bypass -File " + name + " -Gpo \"Trusted roots\"; then link that policy to the computers",
			"or for the whole forest: … -File " + name + " -Directory; or for one computer: … -File " + name,
		},
	}, nil
}

// registryBlob is a certificate as the registry keeps it: properties, each its number, a one, its length and its value.
// 3 is the SHA-1, 32 the certificate.
func registryBlob(der []byte) []byte {
	sum := sha1.Sum(der)
	var out []byte
	for _, p := range []struct {
		number uint32
		value  []byte
	}{{3, sum[:]}, {32, der}} {
		out = binary.LittleEndian.AppendUint32(out, p.number)
		out = binary.LittleEndian.AppendUint32(out, 1)
		out = binary.LittleEndian.AppendUint32(out, uint32(len(p.value)))
		out = append(out, p.value...)
	}
	return out
}

const windowsBody = `$key = 'HKLM\Software\Policies\Microsoft\SystemCertificates\Root\Certificates'
if ($Gpo) {
  Import-Module GroupPolicy
  if (-not (Get-GPO -Name $Gpo -ErrorAction SilentlyContinue)) { New-GPO -Name $Gpo | Out-Null }
  foreach ($c in $certificates) {
    if ($Remove) {
      Remove-GPRegistryValue -Name $Gpo -Key "$key\$($c.Thumbprint)" -ValueName 'Blob' -ErrorAction SilentlyContinue | Out-Null
    } else {
      Set-GPRegistryValue -Name $Gpo -Key "$key\$($c.Thumbprint)" -ValueName 'Blob' -Type Binary -Value ([Convert]::FromBase64String($c.Blob)) | Out-Null
    }
  }
} elseif ($Directory) {
  if ($Remove) { throw 'take them out of the directory by hand: certutil -viewdelstore "ldap:///CN=Certification Authorities,..."' }
  foreach ($c in $certificates) {
    $file = Join-Path $env:TEMP "$($c.Thumbprint).cer"
    [IO.File]::WriteAllBytes($file, [Convert]::FromBase64String($c.Der))
    & certutil.exe -f -dspublish $file RootCA
    $code = $LASTEXITCODE
    Remove-Item $file
    if ($code -ne 0) { throw "certutil -dspublish ended with $code" }
  }
} else {
  $store = New-Object System.Security.Cryptography.X509Certificates.X509Store 'Root', 'LocalMachine'
  $store.Open('ReadWrite')
  foreach ($c in $certificates) {
    $certificate = New-Object System.Security.Cryptography.X509Certificates.X509Certificate2 (, [Convert]::FromBase64String($c.Der))
    if ($Remove) { $store.Remove($certificate) } else { $store.Add($certificate) }
  }
  $store.Close()
}`

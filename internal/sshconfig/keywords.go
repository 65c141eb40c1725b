package sshconfig

// keyword is one keyword of ssh_config(5); aliases share it.
type keyword uint8

// The keywords. noKeyword stands for names that are not known.
const (
	noKeyword keyword = iota
	kwHost
	kwMatch
	kwInclude
	kwIgnore
	kwDeprecated
	kwUnsupported
	kwGSSAPIAuthentication
	kwGSSAPIKeyExchange
	kwGSSAPIDelegateCredentials
	kwGSSAPITrustDNS
	kwGSSAPIRenewalForcesRekey
	kwGSSAPIClientIdentity
	kwGSSAPIServerIdentity
	kwGSSAPIKexAlgorithms
	kwPKCS11Provider
	kwForwardAgent
	kwForwardX11
	kwForwardX11Trusted
	kwForwardX11Timeout
	kwExitOnForwardFailure
	kwXAuthLocation
	kwGatewayPorts
	kwPasswordAuthentication
	kwKbdInteractiveAuthentication
	kwKbdInteractiveDevices
	kwPubkeyAuthentication
	kwHostbasedAuthentication
	kwIdentityFile // setIdentity wants kwCertificateFile to follow
	kwCertificateFile
	kwIdentitiesOnly

	kwAddKeysToAgent
	kwIdentityAgent
	kwHostName
	kwHostKeyAlias
	kwProxyCommand
	kwPort
	kwCiphers
	kwMACs
	kwRemoteForward
	kwLocalForward
	kwDynamicForward
	kwPermitRemoteOpen
	kwUser
	kwEscapeChar
	kwGlobalKnownHostsFile
	kwUserKnownHostsFile
	kwConnectionAttempts
	kwBatchMode
	kwCheckHostIP
	kwStrictHostKeyChecking
	kwCompression
	kwTCPKeepAlive
	kwNumberOfPasswordPrompts
	kwSyslogFacility
	kwLogLevel
	kwLogVerbose
	kwPreferredAuthentications
	kwHostKeyAlgorithms
	kwCASignatureAlgorithms
	kwBindAddress
	kwBindInterface
	kwClearAllForwardings
	kwEnableSSHKeysign
	kwVerifyHostKeyDNS
	kwNoHostAuthenticationForLocalhost
	kwRekeyLimit
	kwConnectTimeout
	kwAddressFamily
	kwServerAliveInterval
	kwServerAliveCountMax
	kwSendEnv
	kwSetEnv
	kwControlPath
	kwControlMaster
	kwControlPersist
	kwHashKnownHosts
	kwTunnel
	kwTunnelDevice
	kwLocalCommand
	kwPermitLocalCommand
	kwRemoteCommand
	kwVisualHostKey
	kwKexAlgorithms
	kwIPQoS
	kwRequestTTY
	kwSessionType
	kwStdinNull
	kwForkAfterAuthentication
	kwProxyUseFdpass
	kwCanonicalDomains
	kwCanonicalizeFallbackLocal
	kwCanonicalizeHostname
	kwCanonicalizeMaxDots
	kwCanonicalizePermittedCNAMEs
	kwStreamLocalBindMask
	kwStreamLocalBindUnlink
	kwRevokedHostKeys
	kwFingerprintHash
	kwUpdateHostKeys
	kwHostbasedAcceptedAlgorithms
	kwPubkeyAcceptedAlgorithms
	kwIgnoreUnknown
	kwProxyJump
	kwSecurityKeyProvider
	kwKnownHostsCommand
	kwRequiredRSASize
	kwEnableEscapeCommandline
	kwTag
	kwObscureKeystrokeTiming
	kwChannelTimeout
	kwVersionAddendum
	kwRefuseConnection
	kwWarnWeakCrypto
	kwAlternateAddress
	kwAlternateProxyJump
	kwAlternatePolicy
	kwControlMaxAge
	kwPasswordCommand
	kwOTPCommand
	kwTags
	kwRememberHost
	kwResumeWith
	numKeywords
)

// kind is how a keyword's arguments are read.
type kind uint8

const (
	kindUnknown kind = iota
	kindHost
	kindMatch
	kindInclude
	kindIgnore
	kindDeprecated
	kindUnsupported
	kindFlag
	kindString
	kindGsskex
	kindForwardAgent
	kindTime
	kindIdentity
	kindAddKeys
	kindAgent
	kindCommand
	kindPort
	kindAlgorithms
	kindForward
	kindPermitOpen
	kindEscape
	kindFiles
	kindInt
	kindFacility
	kindLogLevel
	kindLogVerbose
	kindRekey
	kindSendEnv
	kindSetEnv
	kindPersist
	kindTunnelDevice
	kindIpqos
	kindDomains
	kindCnames
	kindMask
	kindRevoked
	kindDigest
	kindJump
	kindKeystroke
	kindChannelTimeout
	kindAddendum
	kindRefuse
	kindAlternates
	kindPolicy
	kindResume
	kindTags
)

// keywordTable holds each keyword's kind and its names in lower case: first
// the one that "ssh -G" prints, then obsolete ones. readconf.c: keywords.
var keywordTable = [numKeywords]struct {
	kind  kind
	names []string
}{
	kwHost:                             {kindHost, []string{"host"}},
	kwMatch:                            {kindMatch, []string{"match"}},
	kwInclude:                          {kindInclude, []string{"include"}},
	kwIgnore:                           {kindIgnore, []string{"protocol"}},
	kwDeprecated:                       {kindDeprecated, []string{"cipher", "fallbacktorsh", "globalknownhostsfile2", "rhostsauthentication", "userknownhostsfile2", "useroaming", "usersh", "useprivilegedport"}},
	kwUnsupported:                      {kindUnsupported, []string{"afstokenpassing", "kerberosauthentication", "kerberostgtpassing", "rsaauthentication", "rhostsrsaauthentication", "compressionlevel"}},
	kwGSSAPIAuthentication:             {kindFlag, []string{"gssapiauthentication"}},
	kwGSSAPIKeyExchange:                {kindFlag, []string{"gssapikeyexchange"}},
	kwGSSAPIDelegateCredentials:        {kindFlag, []string{"gssapidelegatecredentials"}},
	kwGSSAPITrustDNS:                   {kindFlag, []string{"gssapitrustdns"}},
	kwGSSAPIRenewalForcesRekey:         {kindFlag, []string{"gssapirenewalforcesrekey"}},
	kwGSSAPIClientIdentity:             {kindString, []string{"gssapiclientidentity"}},
	kwGSSAPIServerIdentity:             {kindString, []string{"gssapiserveridentity"}},
	kwGSSAPIKexAlgorithms:              {kindGsskex, []string{"gssapikexalgorithms"}},
	kwPKCS11Provider:                   {kindString, []string{"pkcs11provider", "smartcarddevice"}},
	kwForwardAgent:                     {kindForwardAgent, []string{"forwardagent"}},
	kwForwardX11:                       {kindFlag, []string{"forwardx11"}},
	kwForwardX11Trusted:                {kindFlag, []string{"forwardx11trusted"}},
	kwForwardX11Timeout:                {kindTime, []string{"forwardx11timeout"}},
	kwExitOnForwardFailure:             {kindFlag, []string{"exitonforwardfailure"}},
	kwXAuthLocation:                    {kindString, []string{"xauthlocation"}},
	kwGatewayPorts:                     {kindFlag, []string{"gatewayports"}},
	kwPasswordAuthentication:           {kindFlag, []string{"passwordauthentication"}},
	kwKbdInteractiveAuthentication:     {kindFlag, []string{"kbdinteractiveauthentication", "challengeresponseauthentication", "skeyauthentication", "tisauthentication"}},
	kwKbdInteractiveDevices:            {kindString, []string{"kbdinteractivedevices"}},
	kwPubkeyAuthentication:             {kindFlag, []string{"pubkeyauthentication", "dsaauthentication"}},
	kwHostbasedAuthentication:          {kindFlag, []string{"hostbasedauthentication"}},
	kwIdentityFile:                     {kindIdentity, []string{"identityfile", "identityfile2"}},
	kwIdentitiesOnly:                   {kindFlag, []string{"identitiesonly"}},
	kwCertificateFile:                  {kindIdentity, []string{"certificatefile"}},
	kwAddKeysToAgent:                   {kindAddKeys, []string{"addkeystoagent"}},
	kwIdentityAgent:                    {kindAgent, []string{"identityagent"}},
	kwHostName:                         {kindString, []string{"hostname"}},
	kwHostKeyAlias:                     {kindString, []string{"hostkeyalias"}},
	kwProxyCommand:                     {kindCommand, []string{"proxycommand"}},
	kwPort:                             {kindPort, []string{"port"}},
	kwCiphers:                          {kindAlgorithms, []string{"ciphers"}},
	kwMACs:                             {kindAlgorithms, []string{"macs"}},
	kwRemoteForward:                    {kindForward, []string{"remoteforward"}},
	kwLocalForward:                     {kindForward, []string{"localforward"}},
	kwDynamicForward:                   {kindForward, []string{"dynamicforward"}},
	kwPermitRemoteOpen:                 {kindPermitOpen, []string{"permitremoteopen"}},
	kwUser:                             {kindString, []string{"user"}},
	kwEscapeChar:                       {kindEscape, []string{"escapechar"}},
	kwGlobalKnownHostsFile:             {kindFiles, []string{"globalknownhostsfile"}},
	kwUserKnownHostsFile:               {kindFiles, []string{"userknownhostsfile"}},
	kwConnectionAttempts:               {kindInt, []string{"connectionattempts"}},
	kwBatchMode:                        {kindFlag, []string{"batchmode"}},
	kwCheckHostIP:                      {kindFlag, []string{"checkhostip"}},
	kwStrictHostKeyChecking:            {kindFlag, []string{"stricthostkeychecking"}},
	kwCompression:                      {kindFlag, []string{"compression"}},
	kwTCPKeepAlive:                     {kindFlag, []string{"tcpkeepalive", "keepalive"}},
	kwNumberOfPasswordPrompts:          {kindInt, []string{"numberofpasswordprompts"}},
	kwSyslogFacility:                   {kindFacility, []string{"syslogfacility"}},
	kwLogLevel:                         {kindLogLevel, []string{"loglevel"}},
	kwLogVerbose:                       {kindLogVerbose, []string{"logverbose"}},
	kwPreferredAuthentications:         {kindString, []string{"preferredauthentications"}},
	kwHostKeyAlgorithms:                {kindAlgorithms, []string{"hostkeyalgorithms"}},
	kwCASignatureAlgorithms:            {kindAlgorithms, []string{"casignaturealgorithms"}},
	kwBindAddress:                      {kindString, []string{"bindaddress"}},
	kwBindInterface:                    {kindString, []string{"bindinterface"}},
	kwClearAllForwardings:              {kindFlag, []string{"clearallforwardings"}},
	kwEnableSSHKeysign:                 {kindFlag, []string{"enablesshkeysign"}},
	kwVerifyHostKeyDNS:                 {kindFlag, []string{"verifyhostkeydns"}},
	kwNoHostAuthenticationForLocalhost: {kindFlag, []string{"nohostauthenticationforlocalhost"}},
	kwRekeyLimit:                       {kindRekey, []string{"rekeylimit"}},
	kwConnectTimeout:                   {kindTime, []string{"connecttimeout"}},
	kwAddressFamily:                    {kindFlag, []string{"addressfamily"}},
	kwServerAliveInterval:              {kindTime, []string{"serveraliveinterval", "protocolkeepalives", "setuptimeout"}},
	kwServerAliveCountMax:              {kindInt, []string{"serveralivecountmax"}},
	kwSendEnv:                          {kindSendEnv, []string{"sendenv"}},
	kwSetEnv:                           {kindSetEnv, []string{"setenv"}},
	kwControlPath:                      {kindString, []string{"controlpath"}},
	kwControlMaster:                    {kindFlag, []string{"controlmaster"}},
	kwControlPersist:                   {kindPersist, []string{"controlpersist"}},
	kwHashKnownHosts:                   {kindFlag, []string{"hashknownhosts"}},
	kwTunnel:                           {kindFlag, []string{"tunnel"}},
	kwTunnelDevice:                     {kindTunnelDevice, []string{"tunneldevice"}},
	kwLocalCommand:                     {kindCommand, []string{"localcommand"}},
	kwPermitLocalCommand:               {kindFlag, []string{"permitlocalcommand"}},
	kwRemoteCommand:                    {kindCommand, []string{"remotecommand"}},
	kwVisualHostKey:                    {kindFlag, []string{"visualhostkey"}},
	kwKexAlgorithms:                    {kindAlgorithms, []string{"kexalgorithms"}},
	kwIPQoS:                            {kindIpqos, []string{"ipqos"}},
	kwRequestTTY:                       {kindFlag, []string{"requesttty"}},
	kwSessionType:                      {kindFlag, []string{"sessiontype"}},
	kwStdinNull:                        {kindFlag, []string{"stdinnull"}},
	kwForkAfterAuthentication:          {kindFlag, []string{"forkafterauthentication"}},
	kwProxyUseFdpass:                   {kindFlag, []string{"proxyusefdpass"}},
	kwCanonicalDomains:                 {kindDomains, []string{"canonicaldomains"}},
	kwCanonicalizeFallbackLocal:        {kindFlag, []string{"canonicalizefallbacklocal"}},
	kwCanonicalizeHostname:             {kindFlag, []string{"canonicalizehostname"}},
	kwCanonicalizeMaxDots:              {kindInt, []string{"canonicalizemaxdots"}},
	kwCanonicalizePermittedCNAMEs:      {kindCnames, []string{"canonicalizepermittedcnames"}},
	kwStreamLocalBindMask:              {kindMask, []string{"streamlocalbindmask"}},
	kwStreamLocalBindUnlink:            {kindFlag, []string{"streamlocalbindunlink"}},
	kwRevokedHostKeys:                  {kindRevoked, []string{"revokedhostkeys"}},
	kwFingerprintHash:                  {kindDigest, []string{"fingerprinthash"}},
	kwUpdateHostKeys:                   {kindFlag, []string{"updatehostkeys"}},
	kwHostbasedAcceptedAlgorithms:      {kindAlgorithms, []string{"hostbasedacceptedalgorithms", "hostbasedkeytypes"}},
	kwPubkeyAcceptedAlgorithms:         {kindAlgorithms, []string{"pubkeyacceptedalgorithms", "pubkeyacceptedkeytypes"}},
	kwIgnoreUnknown:                    {kindString, []string{"ignoreunknown"}},
	kwProxyJump:                        {kindJump, []string{"proxyjump"}},
	kwSecurityKeyProvider:              {kindString, []string{"securitykeyprovider"}},
	kwKnownHostsCommand:                {kindCommand, []string{"knownhostscommand"}},
	kwRequiredRSASize:                  {kindInt, []string{"requiredrsasize"}},
	kwEnableEscapeCommandline:          {kindFlag, []string{"enableescapecommandline"}},
	kwTag:                              {kindString, []string{"tag"}},
	kwObscureKeystrokeTiming:           {kindKeystroke, []string{"obscurekeystroketiming"}},
	kwChannelTimeout:                   {kindChannelTimeout, []string{"channeltimeout"}},
	kwVersionAddendum:                  {kindAddendum, []string{"versionaddendum"}},
	kwRefuseConnection:                 {kindRefuse, []string{"refuseconnection"}},
	kwWarnWeakCrypto:                   {kindFlag, []string{"warnweakcrypto"}},
	kwAlternateAddress:                 {kindAlternates, []string{"alternateaddress"}},
	kwAlternateProxyJump:               {kindAlternates, []string{"alternateproxyjump"}},
	kwAlternatePolicy:                  {kindPolicy, []string{"alternatepolicy"}},
	kwControlMaxAge:                    {kindTime, []string{"controlmaxage"}},
	kwPasswordCommand:                  {kindCommand, []string{"passwordcommand"}},
	kwOTPCommand:                       {kindCommand, []string{"otpcommand"}},
	kwTags:                             {kindTags, []string{"tags"}},
	kwRememberHost:                     {kindFlag, []string{"rememberhost"}},
	kwResumeWith:                       {kindResume, []string{"resumewith"}},
}

// keywordByName finds a keyword by any of its names.
var keywordByName = func() map[string]keyword {
	m := make(map[string]keyword, 2*int(numKeywords))
	for kw, row := range keywordTable {
		for _, name := range row.names {
			m[name] = keyword(kw)
		}
	}
	return m
}()

// name is the keyword as "ssh -G" prints it.
func (kw keyword) name() string {
	if names := keywordTable[kw].names; len(names) > 0 {
		return names[0]
	}
	return ""
}

// lookupKeyword finds a keyword whatever its case, without allocating.
func lookupKeyword(name string) keyword {
	var buf [40]byte
	if len(name) > len(buf) {
		return noKeyword
	}
	for i := range len(name) {
		c := name[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		buf[i] = c
	}
	return keywordByName[string(buf[:len(name)])]
}

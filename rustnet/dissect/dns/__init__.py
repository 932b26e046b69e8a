"""DNS, mDNS and LLMNR (RFC 1035)."""

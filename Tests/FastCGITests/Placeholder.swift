import Testing
@testable import FastCGI
@Suite struct P {}

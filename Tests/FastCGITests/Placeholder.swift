import Testing
@testable import FastCGI

@Suite struct FastCGIPlaceholderTests {}

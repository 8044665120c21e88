import Testing
@testable import Sessions

@Suite struct SessionsPlaceholderTests {}

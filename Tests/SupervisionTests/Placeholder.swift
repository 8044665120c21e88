import Testing
@testable import Supervision

@Suite struct SupervisionPlaceholderTests {}

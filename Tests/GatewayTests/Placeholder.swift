import Testing
@testable import Gateway

@Suite struct GatewayPlaceholderTests {}

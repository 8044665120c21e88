import Testing
@testable import Turnstile

@Suite struct TurnstilePlaceholderTests {}

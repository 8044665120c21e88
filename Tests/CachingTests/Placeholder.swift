import Testing
@testable import Caching

@Suite struct CachingPlaceholderTests {}

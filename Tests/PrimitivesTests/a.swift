import Testing
@testable import Primitives
@Test func a() throws { #expect(Base64.encode([1,2,3]) == "AQID") }

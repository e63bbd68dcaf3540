import Testing

@testable import Serving

@Suite struct ListenAddressTests {
    @Test(arguments: [":8080", "127.0.0.1:0", "0.0.0.0:65535", "[::1]:8080", "[::]:1", "[fe80::1]:9"])
    func parsesAddresses(text: String) throws {
        #expect(try #require(ListenAddress(text)).description == text)
    }

    @Test(arguments: [
        "", "8080", ":", ":-1", ":65536", ":٣", ": 80", "localhost:8080", "::1:8080", "[::1]",
        "[127.0.0.1]:80",
        "127.0.0.1\0x:80", "[::1\0x]:80",
        "127.0.0:80", "[::1:80", "::1]:80", "127.0.0.1:80 ", "http://127.0.0.1:80",
    ])
    func rejectsOtherTexts(text: String) {
        #expect(ListenAddress(text) == nil)
    }
}

import Testing

@testable import FastCGI

@Suite("Looking at a request") struct RecordParserTests {
    private func look(_ bytes: [UInt8], limits: Limits = Limits()) throws -> RequestScan? {
        try bytes.withUnsafeBytes { try RequestScan.look(at: $0, limits: limits) }
    }

    @Test("a whole request is recognised only when its last byte is there", arguments: [0, 1, 7, 255], [3, 60, 65535])
    func prefixes(_ padding: Int, _ chunk: Int) throws {
        let bytes = Wire.request(
            [("REQUEST_METHOD", "POST"), ("LONG", String(repeating: "x", count: 200))], body: [1, 2, 3, 4], chunk: chunk, padding: padding)
        let inputLength = Wire.stream(5, [1, 2, 3, 4], chunk: chunk, padding: padding).count
        for count in 0..<bytes.count {
            let scan = try look(Array(bytes[..<count]))
            #expect((scan == nil) == (count < bytes.count - inputLength))
            #expect(scan?.isWhole != true)
        }
        let scan = try #require(try look(bytes))
        #expect(scan.isWhole)
        #expect(scan.inputLength == 4)
        #expect(scan.parametersEnd == bytes.count - inputLength)
        #expect(scan.isKept && scan.request == 1)
        let pairs = Wire.pairs([("REQUEST_METHOD", "POST"), ("LONG", String(repeating: "x", count: 200)), ("CONTENT_LENGTH", "4")])
        #expect(bytes.withUnsafeBytes { scan.joinedPairs($0) } == pairs)
        if let place = scan.pairs { #expect(Array(bytes[place]) == pairs) } else { #expect(chunk < pairs.count) }
    }

    @Test("the limits hold to the byte and to the parameter")
    func limits() throws {
        var limits = Limits()
        limits.parameterBytes = 100
        limits.parameterCount = 10
        func request(_ parameters: [(String, String)]) -> [UInt8] { Wire.begin() + Wire.stream(4, Wire.pairs(parameters)) }
        #expect(try look(request([("A", String(repeating: "x", count: 97))]), limits: limits) != nil)
        #expect(throws: Fault.parametersTooLarge) { try look(request([("A", String(repeating: "x", count: 98))]), limits: limits) }
        #expect(try look(request([(String, String)](repeating: ("A", ""), count: 10)), limits: limits) != nil)
        #expect(throws: Fault.parametersTooLarge) {
            try look(request([(String, String)](repeating: ("A", ""), count: 11)), limits: limits)
        }
    }

    @Test("a length that cannot be is refused before its bytes arrive")
    func announced() {
        #expect(throws: Fault.parametersTooLarge) { try look(Wire.begin() + Wire.record(4, [1, 0x80, 2, 0, 0, 65])) }
        #expect(throws: Fault.parametersTooLarge) { try look(Wire.begin() + Wire.record(4, [0xff, 0xff, 0xff, 0xff, 0])) }
    }
}

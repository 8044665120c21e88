import CLibFCGI
import Testing

@testable import FastCGI

@Suite("Looking at a request") struct RecordTests {
    private func look(_ bytes: [UInt8], limits: Limits = Limits()) throws -> RequestScan? {
        guard case .request(let scan) = try bytes.withUnsafeBytes({ try RequestScan.look(at: $0, limits: limits) }) else { return nil }
        return scan
    }

    @Test("a whole request is recognised only when its last byte is there", arguments: [0, 1, 7, 255], [3, 60, 65535])
    func prefixes(_ padding: Int, _ chunk: Int) throws {
        let bytes = Wire.request(
            [("REQUEST_METHOD", "POST"), ("LONG", String(repeating: "x", count: 200))], body: [1, 2, 3, 4], chunk: chunk, padding: padding)
        let inputLength = Wire.stream(FCGI_STDIN, [1, 2, 3, 4], chunk: chunk, padding: padding).count
        for count in 0..<bytes.count {
            let scan = try look(Array(bytes[..<count]))
            #expect((scan == nil) == (count < bytes.count - inputLength))
            #expect(scan?.isWhole != true)
        }
        let scan = try #require(try look(bytes))
        #expect(scan.end == bytes.count)
        #expect(try look(bytes + [1, 2, 3])?.end == bytes.count)
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
        func request(_ parameters: [(String, String)]) -> [UInt8] { Wire.begin() + Wire.stream(FCGI_PARAMS, Wire.pairs(parameters)) }
        #expect(try look(request([("A", String(repeating: "x", count: 97))]), limits: limits) != nil)
        #expect(throws: Fault.parametersTooLarge) { try look(request([("A", String(repeating: "x", count: 98))]), limits: limits) }
        #expect(try look(request([(String, String)](repeating: ("A", ""), count: 10)), limits: limits) != nil)
        #expect(throws: Fault.parametersTooLarge) {
            try look(request([(String, String)](repeating: ("A", ""), count: 11)), limits: limits)
        }
    }

    @Test("a length that cannot be is refused before its bytes arrive")
    func announced() {
        #expect(throws: Fault.parametersTooLarge) { try look(Wire.begin() + Wire.record(FCGI_PARAMS, [1, 0x80, 2, 0, 0, 65])) }
        #expect(throws: Fault.parametersTooLarge) { try look(Wire.begin() + Wire.record(FCGI_PARAMS, [0xff, 0xff, 0xff, 0xff, 0])) }
    }

    @Test("heads and bodies are read and written where the specification has each byte")
    func layout() {
        let bytes: [UInt8] = [9, 1, 3, 0x12, 0x34, 0x56, 0x78, 5, 0]
        let header = bytes.withUnsafeBytes { RecordHeader($0, at: 1) }
        #expect(header.version == 1 && header.type == 3 && header.request == 0x1234)
        #expect(header.contentLength == 0x5678 && header.paddingLength == 5 && header.recordLength == 8 + 0x5678 + 5)
        let written = RecordHeader(3, of: 0x1234, contentLength: 0x5678, paddingLength: 5)
        #expect(withUnsafeBytes(of: written.wire) { Array($0) } == Array(bytes[1...]))
        func begin(_ bytes: [UInt8]) -> (isResponder: Bool, isKept: Bool) {
            let body = bytes.withUnsafeBytes { FCGI_BeginRequestBody($0, at: 0) }
            return (body.isResponder, body.isKept)
        }
        #expect(begin([0, 1, 0xff, 9, 9, 9, 9, 9]) == (true, true))
        #expect(begin([0, 1, 0xfe, 9, 9, 9, 9, 9]) == (true, false))
        #expect(begin([1, 1, 1, 0, 0, 0, 0, 0]) == (false, true))
        #expect(withUnsafeBytes(of: FCGI_EndRequestRecord(0x0102, 3)) { Array($0) } == [1, 3, 1, 2, 0, 8, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0])
        #expect(withUnsafeBytes(of: FCGI_UnknownTypeRecord(77)) { Array($0) } == [1, 11, 0, 0, 0, 8, 0, 0, 77, 0, 0, 0, 0, 0, 0, 0])
    }
}

import Foundation

extension [UInt8] {
    /// As GRDB stores it.
    var data: Data { Data(self) }
}

extension TokenHash {
    var data: Data { bytes.data }
}

/// Requests a second over the last hour: a bar a minute.
struct HourPicture {
    let answersByMinute: [Int]

    private static let height = 60

    var svg: Markup {
        let most = max(answersByMinute.max() ?? 0, 1)
        let bars = answersByMinute.enumerated().filter { $0.element > 0 }.map { minute, count -> Markup in
            let height = max(1, count * Self.height / most)
            return "<rect x=\"\(minute * 5)\" y=\"\(Self.height - height)\" width=\"4\" height=\"\(height)\"/>"
        }
        let peak = Readable.rate(Double(answersByMinute.max() ?? 0) / 60)
        return """
            <figure><svg class="hour" viewBox="0 0 300 \(Self.height)" preserveAspectRatio="none" role="img" \
            aria-label="Requests a second in each minute of the last hour; at most \(peak)">\
            <line x1="0" y1="\(Self.height)" x2="300" y2="\(Self.height)"/>\(Markup(bars))</svg>\
            <figcaption><span>60 min ago</span><span>peak \(peak)/s</span><span>now</span></figcaption></figure>
            """
    }
}

package bench

import (
	"bytes"
	"fmt"
	"html"
	"math"
)

// The picture: a line for each figure that has a ratio, on a logarithmic scale
// with the peer in the middle; to the left we need less (or bring more).
const (
	svgWidth, svgLine, svgTop  = 900, 26, 64
	svgLabel, svgMiddle, svgOf = 400, 640, 200 // where labels end, where 1 is, pixels for a factor of ten
)

// SVG draws the ratios.
func (r *Report) SVG() []byte {
	var figures []Figure
	for _, f := range r.Figures {
		if f.Ratio > 0 {
			figures = append(figures, f)
		}
	}
	height := svgTop + svgLine*len(figures) + 20
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", svgWidth, height, svgWidth, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", svgWidth, height)
	svgText(&b, 12, 22, "start", "#222222", "Sallyport beside "+r.Versions.Peer+" = 1")
	svgText(&b, 12, 42, "start", "#666666", "to the left: less time, memory or processor time, or more throughput; the dash is what is to be reached")
	for _, at := range []float64{0.1, 0.3, 1, 3} {
		x := svgX(at)
		fmt.Fprintf(&b, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#dddddd"/>`+"\n", x, svgTop-6, x, height-14)
		svgText(&b, x, height-2, "middle", "#666666", fmt.Sprint(at))
	}
	for i, f := range figures {
		f.draw(&b, svgTop+svgLine*i)
	}
	fmt.Fprintln(&b, "</svg>")
	return b.Bytes()
}

// draw draws one figure's bar.
func (f Figure) draw(b *bytes.Buffer, y int) {
	need := f.need(f.Ratio)
	color := "#2e7d32"
	switch f.Verdict {
	case Worse:
		color = "#c62828"
	case NotReached:
		color = "#ef8f00"
	}
	svgText(b, svgLabel, y+13, "end", "#222222", f.Title)
	left, right := svgX(need), svgX(1)
	if left > right {
		left, right = right, left
	}
	fmt.Fprintf(b, `<rect x="%.1f" y="%d" width="%.1f" height="14" fill="%s"/>`+"\n", left, y+2, math.Max(right-left, 1), color)
	svgText(b, svgWidth-8, y+13, "end", "#222222", amount(f.Sally.Median, f.Unit)+" / "+amount(f.Peer.Median, f.Unit))
	if f.Goal != nil && !f.Goal.Value && f.Goal.Of == "" {
		x := svgX(f.need(f.Goal.Bound))
		fmt.Fprintf(b, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#000000" stroke-width="2"/>`+"\n", x, y, x, y+18)
	}
}

// need is a ratio turned so that less is better.
func (f Figure) need(ratio float64) float64 {
	if f.More {
		return 1 / ratio
	}
	return ratio
}

// svgX is where a ratio is, within the picture.
func svgX(ratio float64) float64 {
	return math.Min(math.Max(svgMiddle+svgOf*math.Log10(ratio), svgLabel+10), svgWidth-120)
}

func svgText(b *bytes.Buffer, x float64, y int, anchor, color, text string) {
	fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="%s" fill="%s">%s</text>`+"\n", x, y, anchor, color, html.EscapeString(text))
}

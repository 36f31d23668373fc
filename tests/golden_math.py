r"""Which answers are the same: (reference, what must count as right, what must not).

Written by hand from the kinds of answers that people and models give. What stands in the second
and third place is a whole final answer; the box around it is put there by the test.
"""

GOLDEN: list[tuple[str, list[str], list[str]]] = [
    # ---- integers
    ("5", ["5", "5.", "5.0", "+5", "05", " 5 ", "$5$", r"\(5\)", r"\[5\]", "5.000", "5/1", "10/2", r"\frac{10}{2}", "x = 5", "n=5", r"\text{5}", r"\mathbf{5}", "5 apples", "5e0"],
     ["-5", "4", "6", "50", "0.5", "5.1", "5.0001", "1/5", "5, 6", "5 or 6", "55", "x5", "", "five hundred", "5x", "5^2", r"\sqrt{5}"]),
    ("-7", ["-7", "−7", "-7.0", "- 7", r"$-7$", "-14/2", "y = -7"], ["7", "+7", "-70", "1/-7", "-7, 7", "-6.99"]),
    ("0", ["0", "0.0", "-0", "00", "0/5", r"0\%"], ["1", "-1", "0.001", "O", "none", "5/0"]),
    ("1000000", ["1,000,000", "1000000", "1 000 000", "10^6", "1e6", r"10^{6}", r"1 \times 10^6", "1 million", "1,000,000.00", r"1{,}000{,}000", r"1\,000\,000"],
     ["1,000,00", "100000", "10^5", "1,000", "1 thousand"]),
    ("12345", ["12,345", "12345", "12 345", "12345.0"], ["1,2345", "123,45", "12.345", "12, 345"]),
    # ---- decimals
    ("0.5", ["0.5", ".5", "0.50", "1/2", r"\frac{1}{2}", r"\frac12", r"\dfrac{1}{2}", r"\tfrac{1}{2}", "50%", r"50\%", "5e-1", r"5 \times 10^{-1}"],
     ["0.05", "5", "0.51", "2", r"\frac{2}{1}", "-0.5", "0.5%"]),
    ("3.14", ["3.14", "3.140", "314/100", r"\frac{157}{50}"], [r"\pi", "3.1", "3.141", "314", "3,14"]),
    ("-2.5", ["-2.5", "-5/2", r"-\frac{5}{2}", r"\frac{-5}{2}", "-2.50", r"-2\frac{1}{2}", "-2 1/2"], ["2.5", r"\frac{5}{2}", "-2", "-25"]),
    ("1234.5", ["1,234.5", "1234.50", "2469/2"], ["1234", "12345", "1,234,5"]),
    # ---- fractions and mixed numbers
    ("3/4", ["3/4", "0.75", r"\frac{3}{4}", "6/8", "75%", r"\frac{75}{100}", "3 / 4", ".75"], ["4/3", "3", "0.7", "7.5", "34", "-3/4", "3/5"]),
    (r"\frac{7}{3}", ["7/3", r"2\frac{1}{3}", "2 1/3", r"2 \frac{1}{3}", "14/6", r"\frac{14}{6}", "2 + 1/3", r"2+\frac{1}{3}"], ["2.33", "3/7", "21/3", "2", "7", r"21\frac{1}{3}"]),
    (r"-\frac{3}{5}", ["-3/5", "-0.6", r"\frac{-3}{5}", "-6/10"], ["3/5", "-5/3", "0.6"]),
    (r"1\frac{1}{2}", ["1.5", "3/2", r"\frac{3}{2}", "1 1/2"], ["11/2", "1/2", "2.5"]),
    # ---- percent
    ("10%", ["10%", r"10\%", "10 percent", "0.1", "10", "1/10", "10 per cent", "10.0%"], ["1%", "100%", "0.01", "1", "11%"]),
    (r"12.5\%", ["12.5%", "0.125", "1/8", "12.5"], ["125%", "1.25", "12%"]),
    ("10", ["10", "10%"], ["0.1", "100%", "1"]),
    ("0.25", ["25%", "1/4"], ["25", "2.5%"]),
    # ---- currency
    ("$5", ["$5", r"\$5", "5", "5 dollars", "5.00", r"\$5.00", "USD 5"], ["€5", "£5", "$6", "5 euros", "$50"]),
    (r"\$1,250.75", ["1250.75", "$1,250.75", r"\$1250.75"], ["$1,250", "1.25075"]),
    ("18", ["$18", r"\$18", "18 dollars", "$18.00"], ["$18.50", "$180"]),
    ("€20", ["€20", "20 euros", "20", "EUR 20"], ["$20", "€2"]),
    # ---- units
    ("5 cm", ["5 cm", "5cm", r"5\text{ cm}", r"5 \mathrm{cm}", "5 centimeters", "5", "5.0 centimetres", r"5\,\text{cm}"], ["5 m", "5 mm", "50 mm", "6 cm", "5 inches"]),
    ("60 miles", ["60", "60 mi", "60 miles", "60 mile"], ["60 km", "6 miles", "60 hours"]),
    ("12 square feet", ["12", "12 ft^2", "12 square feet", "12 sq ft", r"12\text{ ft}^2"], ["12 square meters", "12 feet", "144"]),
    ("90°", ["90", "90 degrees", r"90^\circ", r"90^{\circ}", "90°"], ["90 radians", "45", "180"]),
    ("3 hours", ["3", "3 h", "3 hrs", "3 hours"], ["3 minutes", "180"]),
    ("24 km/h", ["24", "24 km/h", "24 kph"], ["24 m/s", "24 mph"]),
    ("7 students", ["7", "7 students", "7 student"], ["7 teachers", "8", "17 students"]),
    # ---- scientific notation
    (r"3 \times 10^8", ["3e8", "300000000", "300,000,000", r"3\times10^{8}", r"3 \cdot 10^8", "3.0e8", "3*10^8", "3 x 10^8", "300 million"], ["3e7", "3^8", "30^8", "3"]),
    ("1.6e-19", ["1.6e-19", r"1.6 \times 10^{-19}", "16e-20"], ["1.6e19", "1.6", "0"]),
    ("0.00012", ["1.2e-4", r"1.2 \times 10^{-4}", "0.000120"], ["1.2e-3", "12e-4"]),
    # ---- roots, powers, constants
    (r"2\sqrt{2}", [r"2\sqrt{2}", r"\sqrt{8}", r"\sqrt{2}\cdot 2", r"2 \sqrt{2}", r"2^{3/2}"], [r"\sqrt{2}", "2", r"4\sqrt{2}", "2.83", r"2\sqrt{3}"]),
    (r"\frac{\sqrt{3}}{2}", [r"\frac{\sqrt{3}}{2}", r"\frac{1}{2}\sqrt{3}", r"\sqrt{\frac{3}{4}}", r"\frac{3}{2\sqrt{3}}"], [r"\frac{\sqrt{2}}{2}", r"\sqrt{3}", "0.87"]),
    (r"\frac{1}{\sqrt{2}}", [r"\frac{\sqrt{2}}{2}", r"2^{-1/2}"], [r"\sqrt{2}", r"\frac{1}{2}"]),
    (r"2\pi", [r"2\pi", r"2 \pi", r"\pi + \pi", r"\frac{4\pi}{2}"], [r"\pi", "6.28", r"2\pi^2", "2"]),
    (r"\frac{\pi}{6}", [r"\frac{\pi}{6}", r"\pi/6"], [r"\frac{\pi}{3}", r"\frac{6}{\pi}", "30"]),
    ("2^{10}", ["1024", "2^{10}", "4^5", "1,024"], ["20", "210", "2^{11}"]),
    ("e^2", ["e^2", "e^{2}", r"e \cdot e"], ["2e", "e", "7.39"]),
    (r"\log 2", [r"\log 2", r"\log(2)", r"\log{2}"], [r"\log 3", "2"]),
    ("5!", ["120", "5!"], ["5", "24"]),
    ("|{-3}|", ["3"], ["-3"]),
    # ---- algebra
    ("x^2+1", ["x^2+1", "1+x^2", "x^2 + 1", r"x\cdot x + 1"], ["x^2", "x^2-1", "x+1", "(x+1)^2"]),
    ("(x+1)(x-1)", ["(x+1)(x-1)", "x^2-1", "(x-1)(x+1)"], ["x^2+1", "(x+1)^2"]),
    ("2x+3", ["2x+3", "3+2x", "2x + 3"], ["2x-3", "3x+2", "2x", "5"]),
    (r"\frac{x}{2}", [r"\frac{x}{2}", "x/2", "0.5x", r"\frac{1}{2}x"], ["2x", r"\frac{2}{x}", "x"]),
    (r"\frac{1}{x+1}", [r"\frac{1}{x+1}", r"\frac{1}{1+x}", "1/(x+1)"], [r"\frac{1}{x}", r"\frac{1}{x-1}"]),
    ("3a^2b", ["3a^2b", "3ba^2", r"3 a^2 b"], ["3ab^2", "3ab", "a^2b"]),
    ("y = 2x + 1", ["y = 2x + 1", "y=2x+1", "y = 1 + 2x", "2x+1"], ["y = 2x - 1", "y = x + 1", "x = 2y + 1"]),
    ("x + y = 3", ["x + y = 3", "y + x = 3"], ["x + y = 4", "x - y = 3"]),
    (r"\sin^2 x", [r"\sin^2 x", r"\sin^2(x)"], [r"\sin x", r"\cos^2 x"]),
    # ---- intervals, sets, tuples, lists
    ("(1, 2)", ["(1, 2)", "(1,2)", "( 1 , 2 )", r"\left(1, 2\right)", "(1.0, 2)"], ["(2, 1)", "[1, 2)", "(1, 3)", "1"]),
    ("[0, 1)", ["[0, 1)", "[0,1)", r"\left[0, 1\right)"], ["(0, 1)", "[0, 1]", "(0, 1]", "[0, 2)"]),
    (r"(-\infty, 3]", [r"(-\infty, 3]", r"(-\infty,3]"], [r"(-\infty, 3)", r"[3, \infty)", r"(-\infty, 2]"]),
    (r"[2, 5] \cup [7, 9]", [r"[2, 5] \cup [7, 9]", r"[7, 9] \cup [2, 5]"], ["[2, 9]", r"[2, 5] \cap [7, 9]", "[2, 5]"]),
    (r"\{1, 2, 3\}", [r"\{1, 2, 3\}", r"\{3, 2, 1\}", r"\{1,2,3\}"], [r"\{1, 2\}", r"\{1, 2, 4\}", r"\{1, 2, 3, 4\}"]),
    ("1, 2", ["1, 2", "1,2", "2, 1", r"1 \text{ and } 2"], ["1", "2", "1, 3", "12"]),
    ("(3, -2, 5)", ["(3, -2, 5)", "(3,-2,5)"], ["(3, 2, 5)", "(-2, 3, 5)", "(3, -2)"]),
    # ---- inequalities
    (r"x \le 3", [r"x \le 3", r"x \leq 3", r"(-\infty, 3]"], ["x < 3", r"x \ge 3", r"x \le 4"]),
    ("x > 2", ["x > 2", r"(2, \infty)"], ["x < 2", r"x \ge 2", "x > 3"]),
    # ---- matrices and vectors
    (r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}", [r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}", r"\begin{bmatrix} 1 & 2 \\ 3 & 4 \end{bmatrix}", r"\begin{pmatrix}1&2\\3&4\end{pmatrix}"],
     [r"\begin{pmatrix} 1 & 3 \\ 2 & 4 \end{pmatrix}", r"\begin{pmatrix} 1 & 2 \\ 3 & 5 \end{pmatrix}", "1"]),
    (r"\begin{pmatrix} 2 \\ 3 \end{pmatrix}", [r"\begin{pmatrix} 2 \\ 3 \end{pmatrix}", r"\begin{bmatrix} 2 \\ 3 \end{bmatrix}"], [r"\begin{pmatrix} 3 \\ 2 \end{pmatrix}", "2"]),
    # ---- complex numbers
    ("3 + 4i", ["3 + 4i", "3+4i", "4i + 3"], ["3 - 4i", "4 + 3i", "7", "7i"]),
    # ---- words
    (r"\text{yes}", ["yes", r"\text{yes}", "Yes"], ["no", r"\text{no}"]),
    (r"\text{Monday}", ["Monday", "monday", r"\text{Monday}"], ["Tuesday", r"\text{Friday}", "Mondya"]),
    ("ab", ["ab", r"a \cdot b"], ["a", "abc", "ba", "a + b"]),
    ("was", ["was", "Was"], ["saw"]),
    (r"\text{no solution}", ["no solution", "No solution"], ["solution no", "solution", "0"]),
    # ---- numbers that something beside them changes
    ("5xy", ["5xy", "5yx", r"5 x y"], ["5", "5x", "5xz"]),
    (r"3\pi", [r"3\pi"], ["3", "9.424778"]),
    (r"\sqrt{2}", [r"\sqrt{2}"], ["1.414214", "1.4142135624"]),
    ("7", ["7", "7 apples"], ["7 squared", "7 factorial", "7 point five", "7 divided by two", "7 tenths", "7 halves", "7 wrong", "7 maybe", "7 otherwise eight", "7²", "7 or more", "x = 8 = 7", "4 = 7", "1 = 2 = 7", r"\geq 7", "> 7", r"4 \boxed{7}", "7 below zero", "I get 7"]),
    ("25", ["5^2", "5²", "25"], ["5 squared apples", "52"]),
    ("60 miles per hour", ["60 mph", "60 mi/h", "60", "60 miles per hour"], ["60 km/h", "60 kilometers per hour", "60 miles"]),
    ("5 square miles", ["5", "5 square miles", "5 sq miles"], ["5 miles", "5 cubic miles", "5 square km"]),
    ("3 eggs", ["3", "3 eggs", "3 egg"], ["3 dozen eggs", "36"]),
    ("12 years", ["12", "12 years old", "12 years"], ["12 months"]),
    ("x = 5", ["x = 5", "5"], ["y = 5", "x = 6"]),
    ("1,234", ["1,234", "1234"], ["1, 234", "234"]),
    ("1/2", ["½", "0.5"], ["2", "¼"]),
    (r"3\frac{1}{2}", ["3½", "3 ½", "7/2"], ["31/2"]),
    ("-7", ["negative 7", "minus 7"], ["7"]),
    (r"\text{even}", ["even", "Even"], ["odd", "neither even nor odd"]),
    (r"\text{(B)}", ["B", "(B)", r"\text{B}", r"\textbf{(B)}"], ["A", "(C)", "AB"]),
    # ---- terms
    ("DNE", ["DNE", "dne", "D.N.E.", "does not exist", "Does not exist.", r"\text{DNE}", r"\text{does not exist}", "doesn't exist", "The limit does not exist"],
     ["undefined", r"\infty", "infinity", "0", "no solution", "exists", "END", "D", "5", "does not exist or 5"]),
    ("does not exist", ["DNE", r"\text{DNE}", "the limit does not exist"], ["does exist", "exists", "undefined", r"-\infty"]),
    (r"\text{undefined}", ["undefined", "Undefined", "not defined"], ["DNE", r"\infty", "0", "defined", r"\frac{1}{0}"]),
    (r"\infty", [r"\infty", "infinity", "Infinity", "∞", r"+\infty", "positive infinity", r"\text{infinity}"], [r"-\infty", "negative infinity", "DNE", "undefined", "0", "1000000", r"(-\infty, \infty)"]),
    ("infinity", [r"\infty", "∞", "+∞"], ["-infinity", "finite", r"-\infty"]),
    (r"-\infty", [r"-\infty", r"- \infty", "negative infinity", "minus infinity", "-∞"], [r"\infty", "infinity", "0"]),
    (r"\emptyset", [r"\emptyset", r"\varnothing", "∅", r"\{\}", "the empty set", "no solution", "No solutions"], ["0", r"\{0\}", r"\{\emptyset\}", "DNE", "no real solutions", r"\infty"]),
    ("no solutions", ["no solution", "There are no solutions.", r"\emptyset", r"\text{no solution}"], ["0", "one solution", "no real solutions", "undefined", "none of these", "infinitely many solutions"]),
    ("no real solution", ["no real solutions", "there are no real solutions"], ["no solution", r"\emptyset", "real solution"]),
    # ---- times of day and ratios
    ("10:30 am", ["10:30 am", "10:30 AM", "10:30 a.m.", "10:30am", r"10:30\text{ a.m.}", r"10\!:\!30 AM", "10:30:00 AM"],
     ["10:30", "10:30 pm", "22:30", "10:31 am", "10.5", "10", "10 am", "1/3", "10:30 or so"]),
    ("2:30 p.m.", ["2:30 PM", "14:30", "2:30pm"], ["2:30 am", "2:30", "2.5", "14.5", "15:30"]),
    ("14:30", ["14:30", "2:30 pm"], ["2:30", "2:30 am", "14.5", "1:43"]),
    ("10:30", ["10:30", "10:30 am", "10:30 PM"], ["10.5", "10:31", "11:30 am", "10", "1030", "30:10", "22:30"]),
    ("7 a.m.", ["7 am", "7:00 AM"], ["7", "7 pm", "19:00", "7:30 am"]),
    ("12:00 pm", ["noon", "12 pm", "12 PM"], ["midnight", "12 am", "12"]),
    ("3:4", ["3:4", "3/4", "6:8", r"\frac{3}{4}", "3 : 4"], ["4:3", "3", "4", "3.4", "34", "7", "3:04 am"]),
    ("3/4", ["3:4"], ["4:3"]),
    # ---- what must never count
    ("42", ["42"], [r"\boxed{}", "the answer is correct", "right", "same as the reference", "41 42 43", "any number", "4 2", "42 if x else 41", "__import__('os').system('id')", "9^{9^{9^{9}}}", r"\frac{1}{0}","42 or 43", "42, 43"]),
]  # fmt: skip

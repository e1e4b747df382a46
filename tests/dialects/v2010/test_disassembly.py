"""Machine code as text: what `objdump` of GNU binutils writes of the same bytes."""

from __future__ import annotations

import pytest

from qmpx.dialects.v2010.disassembly import disassemble, show_instructions
from qmpx.dialects.v2010.dumps import MAX_DUMPED
from qmpx.dialects.v2010.machine_code import MAX_INSTRUCTION
from qmpx.errors import GenericError
from qmpx.machine.memory import Memory
from qmpx.machine.processor import Processor
from qmpx.machine.registers import CR0_PE, CR0_PG
from qmpx.monitor.human import Format

# Bytes at address 0x1000, and the instruction that they are in code of 32 bits.
WIDE = """
01 d8                            | add    %ebx,%eax
02 45 f8                         | add    -0x8(%ebp),%al
03 04 8d 78 56 34 12             | add    0x12345678(,%ecx,4),%eax
05 78 56 34 12                   | add    $0x12345678,%eax
0c 01                            | or     $0x1,%al
06                               | push   %es
17                               | pop    %ss
1e                               | push   %ds
0e                               | push   %cs
27                               | daa
2f                               | das
37                               | aaa
3f                               | aas
40                               | inc    %eax
4f                               | dec    %edi
53                               | push   %ebx
5f                               | pop    %edi
60                               | pusha
61                               | popa
68 78 56 34 12                   | push   $0x12345678
6a ff                            | push   $0xffffffff
69 c3 00 01 00 00                | imul   $0x100,%ebx,%eax
6b 45 08 10                      | imul   $0x10,0x8(%ebp),%eax
70 fe                            | jo     0x1000
7f 10                            | jg     0x1012
80 3d 00 00 00 00 05             | cmpb   $0x5,0x0
81 c3 00 01 00 00                | add    $0x100,%ebx
83 e4 f0                         | and    $0xfffffff0,%esp
83 38 ff                         | cmpl   $0xffffffff,(%eax)
84 c0                            | test   %al,%al
85 db                            | test   %ebx,%ebx
86 c8                            | xchg   %cl,%al
87 1c 24                         | xchg   %ebx,(%esp)
88 07                            | mov    %al,(%edi)
89 e5                            | mov    %esp,%ebp
8a 06                            | mov    (%esi),%al
8b 44 24 04                      | mov    0x4(%esp),%eax
8c d8                            | mov    %ds,%eax
8c 00                            | mov    %es,(%eax)
8d 74 26 00                      | lea    0x0(%esi,%eiz,1),%esi
8d bc 27 00 00 00 00             | lea    0x0(%edi,%eiz,1),%edi
8e d8                            | mov    %eax,%ds
8e 00                            | mov    (%eax),%es
8f c0                            | pop    %eax
90                               | nop
93                               | xchg   %eax,%ebx
98                               | cwtl
99                               | cltd
9a 00 10 00 00 08 00             | lcall  $0x8,$0x1000
9b                               | fwait
9c                               | pushf
9d                               | popf
9e                               | sahf
9f                               | lahf
a0 34 12 00 00                   | mov    0x1234,%al
a3 34 12 00 00                   | mov    %eax,0x1234
a4                               | movsb  %ds:(%esi),%es:(%edi)
a5                               | movsl  %ds:(%esi),%es:(%edi)
a6                               | cmpsb  %es:(%edi),%ds:(%esi)
a7                               | cmpsl  %es:(%edi),%ds:(%esi)
aa                               | stos   %al,%es:(%edi)
ab                               | stos   %eax,%es:(%edi)
ac                               | lods   %ds:(%esi),%al
ad                               | lods   %ds:(%esi),%eax
ae                               | scas   %es:(%edi),%al
af                               | scas   %es:(%edi),%eax
a8 01                            | test   $0x1,%al
a9 00 00 00 80                   | test   $0x80000000,%eax
b0 05                            | mov    $0x5,%al
bf 01 00 00 00                   | mov    $0x1,%edi
c0 e0 04                         | shl    $0x4,%al
c1 2e 03                         | shrl   $0x3,(%esi)
d0 c8                            | ror    %al
d1 3f                            | sarl   (%edi)
d2 d9                            | rcr    %cl,%cl
d3 e0                            | shl    %cl,%eax
c2 08 00                         | ret    $0x8
c3                               | ret
ca 04 00                         | lret   $0x4
cb                               | lret
c4 00                            | les    (%eax),%eax
c5 08                            | lds    (%eax),%ecx
c6 00 01                         | movb   $0x1,(%eax)
c7 45 fc 00 00 00 00             | movl   $0x0,-0x4(%ebp)
c8 10 00 01                      | enter  $0x10,$0x1
c9                               | leave
cc                               | int3
cd 80                            | int    $0x80
ce                               | into
cf                               | iret
e0 f0                            | loopne 0xff2
e1 f0                            | loope  0xff2
e2 f0                            | loop   0xff2
e3 f0                            | jecxz  0xff2
e4 60                            | in     $0x60,%al
e5 61                            | in     $0x61,%eax
e6 70                            | out    %al,$0x70
e7 71                            | out    %eax,$0x71
ec                               | in     (%dx),%al
ed                               | in     (%dx),%eax
ee                               | out    %al,(%dx)
ef                               | out    %eax,(%dx)
e8 00 01 00 00                   | call   0x1105
e9 fb ff ff ff                   | jmp    0x1000
ea 00 10 00 00 08 00             | ljmp   $0x8,$0x1000
eb fe                            | jmp    0x1000
f4                               | hlt
f5                               | cmc
f6 c1 01                         | test   $0x1,%cl
f7 06 01 00 00 00                | testl  $0x1,(%esi)
f6 10                            | notb   (%eax)
f7 d8                            | neg    %eax
f7 e3                            | mul    %ebx
f7 eb                            | imul   %ebx
f7 f1                            | div    %ecx
f7 3e                            | idivl  (%esi)
f8                               | clc
f9                               | stc
fa                               | cli
fb                               | sti
fc                               | cld
fd                               | std
fe c0                            | inc    %al
fe 08                            | decb   (%eax)
ff c3                            | inc    %ebx
ff 10                            | call   *(%eax)
ff d0                            | call   *%eax
ff 18                            | lcall  *(%eax)
ff e0                            | jmp    *%eax
ff 25 00 10 00 00                | jmp    *0x1000
ff 28                            | ljmp   *(%eax)
ff d6                            | call   *%esi
0f 06                            | clts
0f 08                            | invd
0f 09                            | wbinvd
0f 0b                            | ud2
0f 20 c0                         | mov    %cr0,%eax
0f 21 f8                         | mov    %db7,%eax
0f 22 d8                         | mov    %eax,%cr3
0f 23 c6                         | mov    %esi,%db0
0f 30                            | wrmsr
0f 31                            | rdtsc
0f 32                            | rdmsr
0f a2                            | cpuid
0f 44 c1                         | cmove  %ecx,%eax
0f 84 00 01 00 00                | je     0x1106
0f 94 c0                         | sete   %al
0f 9f 45 ff                      | setg   -0x1(%ebp)
0f a0                            | push   %fs
0f a9                            | pop    %gs
0f af c3                         | imul   %ebx,%eax
0f b6 c0                         | movzbl %al,%eax
0f b7 45 08                      | movzwl 0x8(%ebp),%eax
0f be 06                         | movsbl (%esi),%eax
0f bf c8                         | movswl %ax,%ecx
66 89 d8                         | mov    %bx,%ax
66 b8 34 12                      | mov    $0x1234,%ax
66 90                            | xchg   %ax,%ax
66 50                            | push   %ax
66 c3                            | retw
66 68 34 12                      | pushw  $0x1234
66 e9 10 00                      | jmpw   0x1014
67 8b 07                         | mov    (%bx),%eax
67 8b 46 fe                      | mov    -0x2(%bp),%eax
67 8b 0e 34 12                   | mov    0x1234,%ecx
26 8b 07                         | mov    %es:(%edi),%eax
2e ff 20                         | jmp    *%cs:(%eax)
36 8b 00                         | mov    %ss:(%eax),%eax
3e 8b 00                         | mov    %ds:(%eax),%eax
64 a1 00 00 00 00                | mov    %fs:0x0,%eax
65 8b 0d 14 00 00 00             | mov    %gs:0x14,%ecx
f0 01 18                         | lock add %ebx,(%eax)
f3 a4                            | rep movsb %ds:(%esi),%es:(%edi)
f3 ab                            | rep stos %eax,%es:(%edi)
f3 a6                            | repz cmpsb %es:(%edi),%ds:(%esi)
f2 ae                            | repnz scas %es:(%edi),%al
f2 a4                            | repnz movsb %ds:(%esi),%es:(%edi)
26 a5                            | movsl  %es:(%esi),%es:(%edi)
26 ab                            | es stos %eax,%es:(%edi)
66 a5                            | movsw  %ds:(%esi),%es:(%edi)
26 f4                            | es hlt
66 2f                            | data16 das
67 cd 05                         | addr16 int $0x5
8b 04 25 00 10 00 00             | mov    0x1000(,%eiz,1),%eax
8b 04 a0                         | mov    (%eax,%eiz,4),%eax
8b 84 8b 00 ff ff ff             | mov    -0x100(%ebx,%ecx,4),%eax
03 04 fd 00 ff ff ff             | add    -0x100(,%edi,8),%eax
8b 04 65 00 00 00 00             | mov    0x0(,%eiz,2),%eax
"""
# And in code of 16 bits.
NARROW = """
01 d8                            | add    %bx,%ax
02 45 f8                         | add    -0x8(%di),%al
0c 01                            | or     $0x1,%al
06                               | push   %es
17                               | pop    %ss
1e                               | push   %ds
0e                               | push   %cs
27                               | daa
2f                               | das
37                               | aaa
3f                               | aas
40                               | inc    %ax
4f                               | dec    %di
53                               | push   %bx
5f                               | pop    %di
60                               | pusha
61                               | popa
6a ff                            | push   $0xffff
6b 45 08 10                      | imul   $0x10,0x8(%di),%ax
70 fe                            | jo     0x1000
7f 10                            | jg     0x1012
83 e4 f0                         | and    $0xfff0,%sp
83 38 ff                         | cmpw   $0xffff,(%bx,%si)
84 c0                            | test   %al,%al
85 db                            | test   %bx,%bx
86 c8                            | xchg   %cl,%al
88 07                            | mov    %al,(%bx)
89 e5                            | mov    %sp,%bp
8c d8                            | mov    %ds,%ax
8c 00                            | mov    %es,(%bx,%si)
8e d8                            | mov    %ax,%ds
8e 00                            | mov    (%bx,%si),%es
8f c0                            | pop    %ax
90                               | nop
93                               | xchg   %ax,%bx
98                               | cbtw
99                               | cwtd
9b                               | fwait
9c                               | pushf
9d                               | popf
9e                               | sahf
9f                               | lahf
a4                               | movsb  %ds:(%si),%es:(%di)
a5                               | movsw  %ds:(%si),%es:(%di)
a6                               | cmpsb  %es:(%di),%ds:(%si)
a7                               | cmpsw  %es:(%di),%ds:(%si)
aa                               | stos   %al,%es:(%di)
ab                               | stos   %ax,%es:(%di)
ac                               | lods   %ds:(%si),%al
ad                               | lods   %ds:(%si),%ax
ae                               | scas   %es:(%di),%al
af                               | scas   %es:(%di),%ax
a8 01                            | test   $0x1,%al
b0 05                            | mov    $0x5,%al
c0 e0 04                         | shl    $0x4,%al
d0 c8                            | ror    %al
d1 3f                            | sarw   (%bx)
d2 d9                            | rcr    %cl,%cl
d3 e0                            | shl    %cl,%ax
c2 08 00                         | ret    $0x8
c3                               | ret
ca 04 00                         | lret   $0x4
cb                               | lret
c4 00                            | les    (%bx,%si),%ax
c5 08                            | lds    (%bx,%si),%cx
c6 00 01                         | movb   $0x1,(%bx,%si)
c8 10 00 01                      | enter  $0x10,$0x1
c9                               | leave
cc                               | int3
cd 80                            | int    $0x80
ce                               | into
cf                               | iret
e0 f0                            | loopne 0xff2
e1 f0                            | loope  0xff2
e2 f0                            | loop   0xff2
e3 f0                            | jcxz   0xff2
e4 60                            | in     $0x60,%al
e5 61                            | in     $0x61,%ax
e6 70                            | out    %al,$0x70
e7 71                            | out    %ax,$0x71
ec                               | in     (%dx),%al
ed                               | in     (%dx),%ax
ee                               | out    %al,(%dx)
ef                               | out    %ax,(%dx)
eb fe                            | jmp    0x1000
f4                               | hlt
f5                               | cmc
f6 c1 01                         | test   $0x1,%cl
f7 06 01 00 00 00                | testw  $0x0,0x1
f6 10                            | notb   (%bx,%si)
f7 d8                            | neg    %ax
f7 e3                            | mul    %bx
f7 eb                            | imul   %bx
f7 f1                            | div    %cx
f8                               | clc
f9                               | stc
fa                               | cli
fb                               | sti
fc                               | cld
fd                               | std
fe c0                            | inc    %al
fe 08                            | decb   (%bx,%si)
ff c3                            | inc    %bx
ff 10                            | call   *(%bx,%si)
ff d0                            | call   *%ax
ff 18                            | lcall  *(%bx,%si)
ff e0                            | jmp    *%ax
ff 28                            | ljmp   *(%bx,%si)
ff d6                            | call   *%si
0f 06                            | clts
0f 08                            | invd
0f 09                            | wbinvd
0f 0b                            | ud2
0f 20 c0                         | mov    %cr0,%eax
0f 21 f8                         | mov    %db7,%eax
0f 22 d8                         | mov    %eax,%cr3
0f 23 c6                         | mov    %esi,%db0
0f 30                            | wrmsr
0f 31                            | rdtsc
0f 32                            | rdmsr
0f a2                            | cpuid
0f 44 c1                         | cmove  %cx,%ax
0f 94 c0                         | sete   %al
0f 9f 45 ff                      | setg   -0x1(%di)
0f a0                            | push   %fs
0f a9                            | pop    %gs
0f af c3                         | imul   %bx,%ax
0f b6 c0                         | movzbw %al,%ax
66 89 d8                         | mov    %ebx,%eax
66 90                            | xchg   %eax,%eax
66 50                            | push   %eax
66 c3                            | retl
67 8b 07                         | mov    (%edi),%ax
67 8b 46 fe                      | mov    -0x2(%esi),%ax
26 8b 07                         | mov    %es:(%bx),%ax
2e ff 20                         | jmp    *%cs:(%bx,%si)
36 8b 00                         | mov    %ss:(%bx,%si),%ax
3e 8b 00                         | mov    %ds:(%bx,%si),%ax
f0 01 18                         | lock add %bx,(%bx,%si)
f3 a4                            | rep movsb %ds:(%si),%es:(%di)
f3 ab                            | rep stos %ax,%es:(%di)
f3 a6                            | repz cmpsb %es:(%di),%ds:(%si)
f2 ae                            | repnz scas %es:(%di),%al
f2 a4                            | repnz movsb %ds:(%si),%es:(%di)
26 a5                            | movsw  %es:(%si),%es:(%di)
26 ab                            | es stos %ax,%es:(%di)
66 a5                            | movsl  %ds:(%si),%es:(%di)
26 f4                            | es hlt
66 2f                            | data32 das
67 cd 05                         | addr32 int $0x5
ea 5b e0 00 f0                   | ljmp   $0xf000,$0xe05b
66 b8 78 56 34 12                | mov    $0x12345678,%eax
81 c3 34 12                      | add    $0x1234,%bx
66 ea 00 10 00 00 08 00          | ljmpl  $0x8,$0x1000
"""
UNKNOWN = ["d8 00", "0f ff", "82 00 01", "8f c8", "8e f8", "fe d0", "ff f8", "ff d8"]
UNKNOWN += ["c6 c8 01", "8d c0", "c4 c0", "66 0f b7 c0", "e9 00 01", "66", "0f", ""]


def rows(table: str) -> list[tuple[str, str]]:
    lines = (line.split("|") for line in table.strip().splitlines())
    return [(code.strip(), text.strip()) for code, text in lines]


def read(code: str, *, is_wide: bool) -> tuple[str, int]:
    return disassemble(bytes.fromhex(code), 0x1000, is_wide=is_wide)


@pytest.mark.parametrize(("code", "text"), rows(WIDE))
def test_code_of_32_bits(code: str, text: str) -> None:
    shown, length = read(code, is_wide=True)
    assert (shown.rstrip(), length) == (text, len(code.split()))


@pytest.mark.parametrize(("code", "text"), rows(NARROW))
def test_code_of_16_bits(code: str, text: str) -> None:
    shown, length = read(code, is_wide=False)
    assert (shown.rstrip(), length) == (text, len(code.split()))


@pytest.mark.parametrize("code", UNKNOWN)
def test_what_is_no_instruction_known_here_is_bad_and_one_byte_long(code: str) -> None:
    assert read(code, is_wide=True) == ("(bad)  ", 1)


def test_an_instruction_has_no_more_than_15_bytes() -> None:
    prefixes = "2e " * (MAX_INSTRUCTION - 1)
    assert read(f"{prefixes}90", is_wide=True)[1] == MAX_INSTRUCTION
    assert read(f"2e {prefixes}90", is_wide=True) == ("(bad)  ", 1)


@pytest.mark.parametrize(
    ("address", "is_wide", "code", "text"),
    [
        (0x1FFF0, False, "eb 20", "jmp    0x10012"),
        (0x1FFF0, False, "eb fe", "jmp    0x1fff0"),
        (0xFFFFFFF0, True, "eb 20", "jmp    0x12"),
        (0x1FFF0, True, "eb 20", "jmp    0x20012"),
        (0x1FFF0, True, "66 e9 20 00", "jmpw   0x14"),
    ],
)
def test_jumps_of_16_bits_stay_in_their_64_kib(
    address: int, is_wide: bool, code: str, text: str
) -> None:
    shown, _ = disassemble(bytes.fromhex(code), address, is_wide=is_wide)
    assert shown == text


@pytest.fixture
def processor() -> Processor:
    memory = Memory(1 << 20)
    memory.write(0x1000, bytes.fromhex("b8 34 12 00 00 f4"))
    return Processor(0, memory)


WIDE_LINES = "0x00001000:  mov    $0x1234,%eax\n0x00001005:  hlt    \n"
NARROW_LINES = "0x00001000:  mov    $0x1234,%ax\n0x00001003:  add    %al,(%bx,%si)\n"


@pytest.mark.parametrize(
    ("size", "flags", "shown"),
    [
        (-1, 0x9B00, NARROW_LINES),
        (-1, 0xCF9B00, WIDE_LINES),
        (2, 0xCF9B00, NARROW_LINES),
        (4, 0x9B00, WIDE_LINES),
        (1, 0x9B00, NARROW_LINES),
    ],
)
def test_how_wide_code_is_says_the_person_or_the_processor(
    processor: Processor, size: int, flags: int, shown: str
) -> None:
    processor.registers.cs.flags = flags
    text = show_instructions(processor.read, Format(2, "i", size), 0x1000, processor)
    assert text == shown


def test_code_goes_on_at_the_first_address(processor: Processor) -> None:
    text = show_instructions(processor.read, Format(2, "i", 2), 0x1FFFFFFFE, processor)
    assert text == ("0xfffffffe:  cld    \n0xffffffff:  add    %al,(%bx,%si)\n")


def test_code_ends_where_nothing_is_mapped(processor: Processor) -> None:
    memory = Memory(1 << 20)
    memory.write(0x10000, (0x11001).to_bytes(4, "little"))
    memory.write(0x11000, (0x5001).to_bytes(4, "little"))
    memory.write(0x5FFD, b"\xf4\xb8\x34")
    processor = Processor(0, memory)
    processor.registers.cr0 |= CR0_PE | CR0_PG
    processor.registers.cr3 = 0x10000
    text = show_instructions(processor.read, Format(5, "i", 4), 0xFFD, processor)
    assert text == (
        "0x00000ffd:  hlt    \n"
        "0x00000ffe:  (bad)  \n"
        "0x00000fff:  (bad)  \n"
        "0x00001000:  Cannot access memory\n"
    )


def test_only_so_many_are_shown(processor: Processor) -> None:
    count = MAX_DUMPED // MAX_INSTRUCTION + 1
    with pytest.raises(GenericError) as caught:
        show_instructions(processor.read, Format(count, "i", 4), 0, processor)
    assert caught.value.desc == f"{count} instructions are more than can be shown"

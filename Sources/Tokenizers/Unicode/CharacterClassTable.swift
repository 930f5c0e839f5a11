/// Made by tools/fixtures/unicode.py; do not edit.
enum CharacterClassTable {
    /// Runs of equal class from U+0000 on: a class letter and the length in base 36 (1 if absent). U is Lu and Lt,
    /// L is Ll, O is Lm and Lo, M, N, P and S the general categories, W is `\s`, X everything else.
    static let runs: StaticString = """
        X9 W5 Xi W P3 S P6 S P4 Na P2 S3 P2 Uq P3 S P S Lq P S P S X6 W Xq W P S5 P S2 O P S X S4 N2 S L P2 S N O P N3 P \
        Un S U7 Lo S L8 U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L \
        U L U L U L U L2 U L U L U L U L U L U L U L U L2 U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U \
        L U L U L U L U L U L U L U L U2 L U L U L3 U2 L U L U2 L U3 L2 U4 L U2 L U3 L3 U2 L U2 L U L U L U2 L U L2 U L \
        U2 L U3 L U L U2 L2 O U L3 O4 U2 L U2 L U2 L U L U L U L U L U L U L U L U L2 U L U L U L U L U L U L U L U L U \
        L2 U2 L U L U3 L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L \
        U L U L U L U L U L7 U2 L U2 L2 U L U4 L U L U L U L U L1x O Lr Oi S4 Oc Se O5 S7 O S O Sh M34 U L U L O S U L \
        X2 O L3 P U X4 S2 U P U3 X U X U2 L Uh X U9 Lz U L2 U3 L3 U L U L U L U L U L U L U L U L U L U L U L U L5 U L S \
        U L U2 L2 U1f L1c U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L S M7 U L U L U L U L U L U \
        L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U2 L U L U L U L U L U L U \
        L2 U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U \
        L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L X U12 X2 O P6 L15 P2 X2 S3 X \
        M19 P M P M2 P M2 P M X8 Or X4 O4 P2 Xh S3 P2 S P2 S2 Mb P X P3 O17 Ml Na P4 O2 M O2r P O M7 X S M6 O2 M2 S M4 \
        O2 Na O3 S2 O Pe X2 O M Ou Mr X2 O2h Mb O Xe Na Ox M9 O2 S P3 O X2 M S2 Om M4 O M9 O M3 O M5 X2 Pf X Op M3 X2 P \
        X Ob X5 Oo S O6 X8 M9 O16 Mo X Mx O1i M3 O Mi O M7 Oa M2 P2 Na P Og M3 X O8 X2 O2 X2 Om X O7 X O X3 O4 X2 M O M7 \
        X2 M2 X2 M3 O X8 M X4 O2 X O3 M2 X2 Na O2 S2 N6 S2 O P M X2 M3 X O6 X4 O2 X2 Om X O7 X O2 X O2 X O2 X2 M X M5 X4 \
        M2 X2 M3 X3 M X7 O4 X O X7 Na M2 O3 M P Xa M3 X O9 X O3 X Om X O7 X O2 X O5 X2 M O M8 X M3 X M3 X2 O Xf O2 M2 X2 \
        Na P S X7 O M6 X M3 X O8 X2 O2 X2 Om X O7 X O2 X O5 X2 M O M7 X2 M2 X2 M3 X7 M3 X4 O2 X O3 M2 X2 Na S O N6 Xa M \
        O X O6 X3 O3 X O4 X3 O2 X O X O2 X3 O2 X3 O3 X3 Oc X4 M5 X3 M3 X M4 X2 O X6 M Xe Nd S8 X5 M5 O8 X O3 X On X Og \
        X2 M O M7 X M3 X M4 X7 M2 X O3 X2 O X2 O2 M2 X2 Na X7 P N7 S O M3 P O8 X O3 X On X Oa X O5 X2 M O M7 X M3 X M4 \
        X7 M2 X6 O2 X O2 M2 X2 Na X O2 M Xc M4 O9 X O3 X O15 M2 O M7 X M3 X M4 O S X4 O3 M N7 O3 M2 X2 Nj S O6 X M3 X Oi \
        X3 Oo X O9 X O X2 O7 X3 M X4 M6 X M X M8 X6 Na X2 M2 P Xc O1c M O2 M7 X4 S O7 M8 P Na P2 X11 O2 X O X O5 X Oo X \
        O X Oa M O2 M9 O X2 O5 X O X M7 X Na X2 O4 Xw O S3 Pf S P S3 M2 S6 Nk S M S M S M P4 M2 O8 X O10 X4 Mk P M2 O5 \
        Mb X M10 X S8 M S6 X S2 P5 S4 P2 X11 O17 Mk O Na P6 O6 M4 O4 M3 O M3 O2 M7 O3 M4 Od Mc O M Na M4 S2 U12 X U X5 U \
        X2 L17 P O L3 O95 X O4 X2 O7 X O X O4 X2 O15 X O4 X2 Ox X O4 X2 O7 X O X O4 X2 Of X O1l X O4 X2 O1v X2 M3 P9 Nk \
        X3 Og Sa X6 U2e X2 L6 X2 P Oh8 S P Oh W Oq P2 X3 O23 P3 N3 O8 X7 Oi M4 X9 Oj M3 P2 X9 Oi M2 Xc Od X O3 X M2 Xc \
        O1g Mw P3 O P3 S O M X2 Na X6 Na X6 Pb M3 X M Na X6 O2h X7 O5 M2 Oy M O X5 O1y Xa Ov X Mc X4 Mc X4 S X3 P2 Na Ou \
        X2 O5 Xb O18 X4 Oq X6 Nb X3 Sy On M5 X2 P2 O1h Ma X Mt X2 M Na X6 Na X6 P7 O P6 X2 Mv X1d M5 O1b Mh O8 X P2 Na \
        P7 Sa M9 S9 P3 M3 Ou Md O2 Na O18 Me X8 P4 O10 Mk X3 P5 Na X3 O3 Na O10 P2 L9 U L X5 U17 X2 U3 P8 X8 M3 P Ml O4 \
        M O6 M O2 M3 O X5 L18 O1r Ld O Ly O11 M1s U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U \
        L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U \
        L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U \
        L U L9 U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U \
        L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L9 U8 L6 X2 U6 X2 L8 U8 \
        L8 U8 L6 X2 U6 X2 L8 X U X U X U X U L8 U8 Le X2 L8 U8 L8 U8 L8 U8 L5 X L2 U5 S L S3 L3 X L2 U5 S3 L4 X2 L2 U4 X \
        S3 L8 U5 S3 X2 L3 X L2 U5 S2 X Wb X5 Po W2 X5 W Pk S Pd S Pc W Xg N O X2 N6 S3 P2 O Na S3 P2 X Od X3 Sx Xf Mx Xf \
        S2 U S4 U S2 L U3 L2 U3 L S U S3 U5 S6 U S U S U S U4 S L U4 L O4 L S2 L2 U2 S5 U L4 S4 L S N1f U L N5 S2 X4 Sag \
        P4 St P2 S73 Xm Sb Xl N1o S26 Nm Sh4 Pe Nu S1d P2 Sv Pa Sb7 Pm S1r P4 Sw P2 Sae X2 Sw X S2x U1c L1c U L U3 L2 U \
        L U L U L U4 L U L2 U L6 O2 U3 L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L \
        U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L \
        U L2 S6 U L U L M3 U L X5 P4 N P2 L12 X L X5 L X2 O1k X7 O P Xe M On X9 O7 X O7 X O7 X O7 X O7 X O7 X O7 X O7 X \
        Mw P1b O Pw S2 Pc Xy Sq X S2h Xc S5y Xq Sg W P3 S O2 N Pa S2 Pc S N9 M6 P O5 S2 N3 O2 P S2 X O2e X2 M2 S2 O3 P \
        O2i P O4 X5 O17 X O2m X S2 N4 Sa Ow S12 X9 S Og Sv X Na Su N8 S Nf Sw Na S13 Nf S8w O534 S1s Oh3h X3 S1j X9 O1a \
        P2 O7h P3 Og Na O2 Xk U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U \
        L O M4 P Ma P O U L U L U L U L U L U L U L U L U L U L U L U L U L U L O2 M2 O1y Na M2 P6 X8 Sn O9 S2 U L U L U \
        L U L U L U L U L3 U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U L U \
        L U L U L U L U L U L U L U L O L8 U L U L U2 L U L U L U L U L O S2 U L U L O U L U L3 U L U L U L U L U L U L \
        U L U L U L U L U5 L U5 L U L U L U L U L U L U L U L U4 L U L U2 L X2 U L X L X L U L U L U L U Xl O3 U L O3 L \
        O7 M O3 M O4 M On M5 S4 M X3 N6 S4 X6 O1g P4 X8 M2 O1e Mi X8 P2 Na X6 Mi O6 P3 O P O2 M Na Os M8 P2 On Md Xb P \
        Ot X3 M4 O1b Me Pd X O Na X4 P2 O5 M Oa Na O5 X O15 Me X9 O3 M O8 M2 X2 Na X2 P4 On S3 O M3 O1e M O M3 O2 M2 O5 \
        M2 O M O Xo O3 P2 Ob M5 P2 O3 M2 Xa O6 X2 O6 X2 O6 X9 O7 X O7 X L17 S O4 L9 O S2 X4 L28 Oz M8 P M2 X2 Na X6 O8mc \
        Xc On X4 O1d X6is Oa6 X2 O2y X12 L7 Xc L5 X5 O M Oa S Od X O5 X O X O2 X O2 X O30 Sh Xg Oa3 P2 Sg O1s X2 O1i X7 \
        S Xw Oc S4 Mg Pa X6 Mg Pz X Pe S P S3 X P S P2 X4 O5 X O3r X4 P3 S P6 S P4 Na P2 S3 P2 Uq P3 S P S Lq P S P S P7 \
        O2h X3 O6 X2 O6 X2 O6 X2 O3 X3 S7 X S7 Xd S2 X2 Oc X Oq X Oj X O2 X Of X2 Oe Xy O3f X5 P3 X4 N19 X3 S9 N1l Sh N2 \
        S3 X Sd X3 S X1b S19 M X3m Ot X3 O1d Xf M Nr X4 Ow N4 X9 Ok N O8 N X5 O12 M5 X5 Ou X P O10 X4 O8 P N5 X16 U14 \
        L14 O26 X2 Na X6 U10 X4 L10 X4 O14 X8 O1g Xb P Ub X Uf X U7 X U2 X Lb X Lf X L7 X L2 X3 O1g Xc O8n X9 Om Xa O8 \
        Xo O6 X O16 X O9 X1x O6 X2 O X O18 X O2 X3 O X2 On X P N8 On S2 N7 Ov X8 N9 X1c Oj X O2 X5 N5 Om N6 X3 P Oq X5 P \
        X1s O1k X4 N2 O2 Ng X2 N1a O M3 X M2 X5 M4 O4 X O3 X Ot X2 M3 X4 M N9 X7 P9 X7 Ot N2 P Ot N3 Xw O8 S Os M2 X4 N5 \
        P7 X9 O1i X3 P7 Om X2 N8 Oj X5 N8 Oi X7 P4 Xc N7 X28 O21 X1j U1f Xd L1f X7 N6 O10 M4 X8 Na X6 Na O6 Um X3 M5 P O \
        Lm X8 S2 X5s Nv X O16 X M2 P X2 O2 Xg O3 X1j M4 Ot Na O X8 Om Mb N4 P5 Xm Oi M4 P4 X12 Ol N7 Xk On X9 M3 O1h Mf \
        P7 X4 Nu M O2 M2 O X9 M4 O19 Mb P2 X P4 M Xd Op X7 Na X6 M3 O10 Me X Na P4 O M2 O X8 Oz M P2 O X9 M3 O1c Me O4 \
        P4 M4 P M2 Na O P O P3 X Nk Xb Oi X Op Mc P6 M O2 M X1q O7 X O X O4 X Of X Oa P X6 O1b Mc X5 Na X6 M4 X O8 X2 O2 \
        X2 Om X O7 X O2 X O5 X M2 O M7 X2 M2 X2 M3 X2 O X6 M X5 O5 M2 X2 M7 X3 M5 Xb Oa X O X2 O X O12 X O M9 X M X2 M X \
        M4 X M5 O M O P2 X P2 X8 M2 Xt O1h Mi O4 P5 Na P2 X P M O3 Xu O1c Mk O2 P O X8 Na X4m O1b M7 X2 M9 Pn O4 M2 Xy \
        O1c Mh P3 O Xb Na X6 Pd Xj O17 Md O P X6 Na X6 Nk Xs Or X2 Mf X4 Nc P3 S O7 X55 O18 Mf P X2s Uw Lw Nj Xc O8 X2 O \
        X2 O8 X O2 X Oo M6 X M2 X2 M4 O M O M2 P3 X9 Na X1y O8 X2 O13 M7 X2 M7 O P O M Xr O Ma O14 M7 O M4 P8 M X8 O Mb \
        O1a Mg P3 O P5 Xd O21 X7 Pa X52 Ox P Xe Na X6 O9 X O11 M8 X M8 O P5 Xa Nt X3 P2 Ou X2 Mm X Me X21 O7 X O2 X O12 \
        M6 X3 M X M2 X M7 O M X8 Na X6 O6 X O2 X Ow M5 X M2 X M5 O X7 Na X8m Oj M4 P2 X7 M2 O M Od X Oy M7 X3 M5 Pd Na M \
        X2d O Xf Nl St Xd P Opm X2u N33 X P5 Xb O5g X218 O2p P2 Xd Ots Xg M O6 Mf Xa O32z X5 Og7 X5a1 Ou Mi Na X1c6 Oft \
        X7 Ov X Na X4 P2 O27 X Na X6 Ou X2 M5 P Xa O1c M7 P5 S4 O4 P S Xa Na X N7 X Ol X5 Oj Xc0 O19 P3 Na X5i Uw Lw Nn \
        P4 X2t O23 X4 M O M1j X7 M4 Od X1s O2 P O M Xb M2 Xe O4qg X8 Oye X15 Oa X6w7 O4 X O7 X O2 X O83 Xf O Xt O3 X2 O \
        Xe O4 X8 Ob0 X1s4 O2z X5 Od X3 O9 X7 Oa X2 S M2 P X31c S6o Na X6 Sc4 X24 M1a X2 Mn X9 S38 X1o S6u Xa S13 X2 S1o \
        M5 S3 M6 X8 M8 S2 M7 Su M4 S1p Xl S1u M3 S X3e Nk Xc Nk Xc S2f X9 Np X3r Uq Lq Uq L7 X Li Uq Lq U X U2 X2 U X2 \
        U2 X2 U4 X U8 L4 X L X L7 X Lb Uq Lq U2 X U4 X2 U8 X U7 X Lq U2 X U4 X U5 X U X3 U7 X Lq Uq Lq Uq Lq Uq Lq Uq Lq \
        Uq Lq Uq Ls X2 Up S Lp S L6 Up S Lp S L6 Up S Lp S L6 Up S Lp S L6 Up S Lp S L6 U L X2 N1e Se8 M1j S4 M1e S8 M \
        Se M S2 P5 Xf M5 X Mf Xuo La O Lk X6 L6 X5x M7 X Mh X2 M7 X M2 X M5 X5 O1q Xx M X34 O19 X3 M7 O7 X2 Na X4 O S \
        X8w Ou M Xh O18 M4 Na X5 S Xcw Os M4 Na X5y Ou M2 O Na X4 P Xdc O7 X O4 X O2 X Of X O5h X2 N9 M7 X15 Uy Ly M7 O \
        X4 Na X4 P2 Xlt N1n S N3 S N4 X24 N19 S Nf X5e O4 X Or X O2 X O X2 O X Oa X O4 X O X O X6 O X4 O X O X O X O3 X \
        O2 X O X2 O X O X O X O X O X O2 X O X2 O4 X O7 X O4 X O4 X O X Oa X Oh X5 O3 X O5 X Oh X1g S2 X7i S18 X4 S2s Xc \
        Sf X2 Sf X Sf X S11 Xa Nd S4h X1k St Xd S18 X4 S9 X7 S2 Xe S6 X4a Src X4 Sh X3 Sd X3 S3b X4 S2n X6 Sc X4 S Xf Sc \
        X4 S1k X8 Sa X6 S14 X8 Su X2 Sc X4 S2 X1q S9g Xc Se X2 Sd X3 Sa X5 S1k X7 Sf X2 Sb X6 S9 X7 S43 X S2k Na Xsm \
        Owyo Xw O37e X6 O66 X2 O4g2 Xe O5rl Xf Oha X1wi Of2 X15u O3t7 X5 O38g Xf9e8 M6o
        """
}

(* B1-B3 are the derivative: of one normalised column whose entries depend on anything, and of
   any differentiable loss of the whole normalised matrix. *)
Require Import Reals Lra Lia List.
From Coquelicot Require Import Coquelicot.
From bnorm Require Import Definitions Sums Frechet Column.
Import ListNotations.
Open Scope R_scope.

(* ------------------------------------------- a column that depends on other numbers *)
Section Column.
Variable s : setting.
Hypothesis Hs : legal s.
Context {I : Type} (l : list I) (z : (I -> R) -> nat -> R) (x : I -> R).
Variable Dz : nat -> (I -> R) -> R.
Hypothesis Hz : forall i, (i < N s)%nat -> frechet l (fun q => z q i) x (Dz i).
Hypothesis Hx : regular s (z x).

Lemma frechet_mu : frechet l (fun q => mu s (z q)) x (fun h => mu s (fun i => Dz i h)).
Proof.
  unfold mu.
  apply (frechet_ext l (fun q => / n s * ∑ i < (N s), omega s i * z q i));
    [intros; unfold Rdiv; ring|].
  eapply frechet_eq.
  - apply frechet_scal, frechet_rsum. intros i Hi. apply frechet_scal. exact (Hz i Hi).
  - intros h. simpl. unfold Rdiv. ring.
Qed.

Lemma frechet_centred i : (i < N s)%nat ->
  frechet l (fun q => z q i - mu s (z q)) x (fun h => Dz i h - mu s (fun i => Dz i h)).
Proof. intros Hi. apply frechet_minus; [exact (Hz i Hi)|exact frechet_mu]. Qed.

Lemma frechet_v : frechet l (fun q => v s (z q)) x
  (fun h => 2 / M s * ∑ i < (N s), omega s i * ((z x i - mu s (z x)) * Dz i h)).
Proof.
  unfold v.
  apply (frechet_ext l (fun q => / M s * ∑ i < (N s), omega s i * (z q i - mu s (z q)) ^ 2));
    [intros; unfold Rdiv; ring|].
  eapply frechet_eq.
  - apply frechet_scal, frechet_rsum. intros i Hi. apply frechet_scal.
    apply frechet_square. exact (frechet_centred i Hi).
  - intros h. cbv beta. set (m := mu s (fun i => Dz i h)).
    rewrite (rsum_ext _ _ (fun i => 2 * (omega s i * ((z x i - mu s (z x)) * Dz i h))
        - 2 * m * (omega s i * (z x i - mu s (z x))))) by (intros; ring).
    rewrite rsum_minus, !rsum_scal_l, sum_centred by exact Hs. unfold Rdiv. ring.
Qed.

Lemma frechet_sigma : frechet l (fun q => sigma s (z q)) x
  (fun h => (∑ i < (N s), omega s i * (zhat s (z x) i * Dz i h)) / M s).
Proof.
  pose proof (sigma_pos s (z x) Hx) as Hp. unfold sigma at 1. eapply frechet_eq.
  - apply frechet_sqrt; [exact Hx|].
    exact (frechet_plus _ _ _ _ _ frechet_v (frechet_const (eps s) x)).
  - intros h. cbv beta. fold (sigma s (z x)).
    rewrite (rsum_ext _ (fun i => omega s i * (zhat s (z x) i * Dz i h))
      (fun i => / sigma s (z x) * (omega s i * ((z x i - mu s (z x)) * Dz i h))))
      by (intros; unfold zhat, Rdiv; ring).
    rewrite rsum_scal_l. destruct Hs as [Hn HM]. field_nonzero.
Qed.

Lemma frechet_bn (gamma beta : (I -> R) -> R) Dgamma Dbeta i : (i < N s)%nat ->
  frechet l gamma x Dgamma -> frechet l beta x Dbeta ->
  frechet l (fun q => bn s (gamma q) (beta q) (z q) i) x
    (fun h => tangent s (gamma x) (z x) (fun i => Dz i h) (Dgamma h) (Dbeta h) i).
Proof.
  intros Hi Hg Hb. pose proof (sigma_pos s (z x) Hx) as Hp. unfold bn. eapply frechet_eq.
  - apply frechet_plus; [|exact Hb]. apply frechet_mult; [exact Hg|].
    unfold zhat, Rdiv. apply frechet_mult; [exact (frechet_centred i Hi)|].
    apply frechet_inv; [|exact frechet_sigma]. lra.
  - intros h. cbv beta. rewrite (centred s (z x) i Hx). unfold tangent.
    destruct Hs as [Hn HM]. field_nonzero.
Qed.
End Column.

(* ------------------------------------------------ any loss of the normalised matrix *)
Lemma in_cells N p i j : (i < N)%nat -> (j < p)%nat -> In (i, j) (cells N p).
Proof. intros. apply in_prod; apply in_seq; lia. Qed.

Lemma cells_in N p ij : In ij (cells N p) -> (fst ij < N)%nat /\ (snd ij < p)%nat.
Proof.
  destruct ij as [i j]. intros H. apply in_prod_iff in H. rewrite !in_seq in H. simpl. lia.
Qed.

(* The columns may depend on anything: on the coordinates Z itself or, through X, on G1. *)
Section Matrix.
Variables (s : setting) (p : nat) (loss : (nat * nat -> R) -> R) (W : nat -> nat -> R).
Variables (l : list coord) (z : point -> nat -> nat -> R) (q : point).
Variable Dz : nat -> nat -> point -> R.
Let B (q : point) (ij : nat * nat) : R :=
  bn s (q (cgamma (snd ij))) (q (cbeta (snd ij))) (z q (snd ij)) (fst ij).
Hypothesis Hs : legal s.
Hypothesis Hq : forall j, (j < p)%nat -> regular s (z q j).
Hypothesis Hloss : frechet (cells (N s) p) loss (B q)
  (fun h => ∑ j < p, ∑ i < (N s), W j i * h (i, j)).
Hypothesis Hl : forall j, (j < p)%nat -> In (cgamma j) l /\ In (cbeta j) l.
Hypothesis Hz : forall i j, (i < N s)%nat -> (j < p)%nat ->
  frechet l (fun q => z q j i) q (Dz j i).

Lemma frechet_loss : frechet l (fun q => loss (B q)) q (fun h => ∑ j < p,
  ((∑ i < (N s), dz s (q (cgamma j)) (z q j) (W j) i * Dz j i h)
   + dgamma s (z q j) (W j) * h (cgamma j) + dbeta s (W j) * h (cbeta j))).
Proof.
  eapply frechet_eq.
  - apply (frechet_chain loss B q _ (fun ij h => tangent s (q (cgamma (snd ij))) (z q (snd ij))
      (fun i => Dz (snd ij) i h) (h (cgamma (snd ij))) (h (cbeta (snd ij))) (fst ij)) Hloss).
    intros ij Hij. destruct (cells_in _ _ _ Hij) as [Hi Hj]. destruct (Hl _ Hj) as [Lg Lb].
    apply (frechet_bn s Hs l (fun q => z q (snd ij)) q (Dz (snd ij))); auto;
      now apply frechet_coord.
  - intros h. apply rsum_ext. intros j Hj. simpl. apply adjoint; auto.
Qed.
End Matrix.

Lemma layer_in_column N p j : (j < p)%nat ->
  In (cgamma j) (layer_coords N p) /\ In (cbeta j) (layer_coords N p).
Proof.
  intros Hj. split; apply in_flat_map; exists j; (split; [apply in_seq; lia|]); simpl; tauto.
Qed.

Lemma layer_in_cell N p i j : (i < N)%nat -> (j < p)%nat -> In (cZ i j) (layer_coords N p).
Proof.
  intros Hi Hj. apply in_flat_map. exists j. split; [apply in_seq; lia|]. right. right.
  apply in_map_iff. exists i. split; [reflexivity|apply in_seq; lia].
Qed.

Theorem backward_frechet s p loss W q : legal s ->
  (forall j, (j < p)%nat -> regular s (Zcol q j)) ->
  frechet (cells (N s) p) loss (B_of_Z s q) (fun h => ∑ j < p, ∑ i < (N s), W j i * h (i, j)) ->
  frechet (layer_coords (N s) p) (fun q => loss (B_of_Z s q)) q (fun h => ∑ j < p,
    ((∑ i < (N s), dz s (q (cgamma j)) (Zcol q j) (W j) i * h (cZ i j))
     + dgamma s (Zcol q j) (W j) * h (cgamma j) + dbeta s (W j) * h (cbeta j))).
Proof.
  intros Hs Hq Hloss. apply (frechet_loss s p loss W _ Zcol q (fun j i h => h (cZ i j))); auto.
  - intros j Hj. now apply layer_in_column.
  - intros i j Hi Hj. apply (frechet_coord (cZ i j)). now apply layer_in_cell.
Qed.

(* Partial derivatives: the linear maps above, applied to a unit vector. *)
Ltac unit_vector := unfold unit_vector;
  repeat match goal with |- context [coord_eq_dec ?a ?b] => destruct (coord_eq_dec a b) end;
  try congruence; try ring.

Section Partials.
Variables (s : setting) (p : nat) (loss : (nat * nat -> R) -> R) (W : nat -> nat -> R).
Variable q : point.
Hypothesis Hs : legal s.
Hypothesis Hq : forall j, (j < p)%nat -> regular s (Zcol q j).
Hypothesis Hloss : frechet (cells (N s) p) loss (B_of_Z s q)
  (fun h => ∑ j < p, ∑ i < (N s), W j i * h (i, j)).
Let partial (c : coord) :=
  frechet_partial coord_eq_dec _ q _ c (backward_frechet s p loss W q Hs Hq Hloss).

Theorem partial_beta j : (j < p)%nat ->
  is_derive (fun t : R => loss (B_of_Z s (set q (cbeta j) t))) (q (cbeta j)) (dbeta s (W j)).
Proof.
  intros Hj. eapply is_derive_eq; [exact (partial (cbeta j))|]. cbv beta.
  rewrite (rsum_pick p j) by (try exact Hj; intros; rewrite rsum_zero; intros; unit_vector).
  rewrite rsum_zero by (intros; unit_vector). unit_vector.
Qed.

Theorem partial_gamma j : (j < p)%nat ->
  is_derive (fun t : R => loss (B_of_Z s (set q (cgamma j) t))) (q (cgamma j))
    (dgamma s (Zcol q j) (W j)).
Proof.
  intros Hj. eapply is_derive_eq; [exact (partial (cgamma j))|]. cbv beta.
  rewrite (rsum_pick p j) by (try exact Hj; intros; rewrite rsum_zero; intros; unit_vector).
  rewrite rsum_zero by (intros; unit_vector). unit_vector.
Qed.

Theorem partial_z i j : (i < N s)%nat -> (j < p)%nat ->
  is_derive (fun t : R => loss (B_of_Z s (set q (cZ i j) t))) (q (cZ i j))
    (dz s (q (cgamma j)) (Zcol q j) (W j) i).
Proof.
  intros Hi Hj. eapply is_derive_eq; [exact (partial (cZ i j))|]. cbv beta.
  rewrite (rsum_pick p j) by (try exact Hj; intros; rewrite rsum_zero; intros; unit_vector).
  rewrite (rsum_pick (N s) i) by (try exact Hi; intros; unit_vector). unit_vector.
Qed.
End Partials.
